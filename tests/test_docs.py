"""The documents agree with the project: links, command lines, ids, paths, figures."""

from __future__ import annotations

import ast
import re
import signal
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from broken_convnets.cli import main
from broken_convnets.commands.registry import COMMANDS
from broken_convnets.corpus.entries import Case, Corpus, load
from broken_convnets.errors import CorpusError
from broken_convnets.vocabulary import Law
from documents import ROOT, Document, documents

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENTS = [
    pytest.param(document, id=document.path.relative_to(ROOT).as_posix())
    for document in documents()
]
NOX = re.compile(r"nox -s \"?([\w-]+)")
INSTALL = "python3 -m venv --without-pip .venv && python3 -m pip --python .venv install nox"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load(ROOT)


@pytest.fixture(autouse=True)
def _no_command_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `main` parse a command line and stop there."""
    for name in COMMANDS:
        module = import_module(f"broken_convnets.commands.{name}.command")
        monkeypatch.setattr(module, "run", _keep)
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)
    PARSED.clear()


PARSED: list[argparse.Namespace] = []


def _keep(options: argparse.Namespace) -> int:
    PARSED.append(options)
    return 0


def refused(words: list[str]) -> bool:
    """Whether the command line does not accept `words`."""
    try:
        return main(words) != 0
    except SystemExit as end:
        return bool(end.code)


def misnamed(words: list[str]) -> bool:
    """Whether a command in a sentence is wrong, be it complete or without its argument."""
    return refused(words) and refused([*words, "x"])


def unknown_ids(words: list[str], corpus: Corpus, new: set[str]) -> list[str]:
    """Return the ids, topics and globs in a command line that name no entry."""
    PARSED.clear()
    if refused(words) or not PARSED or words[0] == "new":
        return []
    values = vars(PARSED[-1])
    named = [*values.get("ids", []), *values.get("only", []), values.get("id", "")]
    return [name for name in named if name and not _known(str(name), corpus, new)]


def _known(name: str, corpus: Corpus, new: set[str]) -> bool:
    # `learn` shows a neutral file name, net_<digits>; test_teaching holds those of the lessons.
    if name in new or re.search(r"\bnet_\w+", name) or re.fullmatch(r"[A-Z/]+", name):
        return True
    try:
        corpus.select([name])
    except CorpusError:
        return False
    return True


def created(document: Document) -> set[str]:
    """Return the ids that the document itself creates, as an example."""
    return {words[1] for words in document.commands() if words[0] == "new"}


def broken_links(document: Document) -> list[str]:
    """Return the links to a file or a heading that does not exist."""
    return [link for link in document.links() if not _exists(document, link)]


def _exists(document: Document, link: str) -> bool:
    name, _, anchor = link.partition("#")
    if not name:
        return anchor in document.anchors()
    target = (document.path.parent / name).resolve()
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in Document(target, target.read_text(encoding="utf-8")).anchors()


def missing_files(document: Document) -> list[str]:
    """Return the paths that match no file of the repository, nor one that `new` would write."""
    written = {
        f"{tree}/{name}.{suffix}"
        for name in created(document)
        for tree in ("cases", "fixes")
        for suffix in ("py", "toml")
    }
    return [
        name
        for name in document.files()
        if name not in written and not any(ROOT.glob(name.rstrip("/")))
    ]


def unknown_references(document: Document, corpus: Corpus) -> list[str]:
    """Return code such as `shape/no_such_case` that names neither an entry nor a kind."""
    topics = {name.partition("/")[0] for name in corpus.ids}
    known = {*corpus.ids, *_kinds(corpus), *created(document)}
    named = [code for code in document.code() if re.fullmatch(r"[a-z]+/[a-z0-9_]+", code)]
    return [name for name in named if name.partition("/")[0] in topics and name not in known]


def _kinds(corpus: Corpus) -> set[str]:
    covered = {
        kind
        for entry in corpus.entries.values()
        if isinstance(entry, Case)
        for kind in entry.spec.covers
    }
    uncovered = (ROOT / "evidence/uncovered.toml").read_text(encoding="utf-8")
    return covered | set(re.findall(r"[a-z]+/\w+", uncovered))


def nox_sessions() -> set[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {"torch", *(node.name for node in functions if node.decorator_list)}


def document(text: str, path: Path = ROOT / "docs/sick.md") -> Document:
    return Document(path, text)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_or_heading(document: Document) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize(
    "text",
    [
        "[a](no_such_page.md)",
        "![a](no_such_picture.svg)",
        "[a](explain.md#no-such-heading)",
        "[a](../cases/none/no_such_case.py)",
        "[a](../../outside.md)",
        "# Here\n\n[a](#there)",
    ],
)
def test_a_link_to_nothing_is_found(text: str) -> None:
    assert len(broken_links(document(text))) == 1


def test_links_to_headings_and_to_the_web_are_accepted() -> None:
    text = "# It's `here`, now\n\n[a](#its-here-now) [b](https://example.org/x) [c](explain.md)"
    assert broken_links(document(text)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_line_is_accepted(document: Document) -> None:
    assert [words for words in document.commands() if refused(words)] == []
    assert [words for words in document.mentions() if misnamed(words)] == []


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nbroken-convnets prove none\n```",
        "```sh\npython train.py | broken-convnets explain --fiel log.txt\n```",
        "```sh\nnox -s site; .venv/bin/broken-convnets show  # no id\n```",
        "```sh\npython -m broken_convnets reproduce --repeat none\n```",
        "```sh\npython -m broken_convnets.diagnose --lr 0.1 train.py\n```",
    ],
)
def test_a_wrong_command_line_is_found(text: str) -> None:
    assert [refused(words) for words in document(text).commands()] == [True]


@pytest.mark.parametrize("code", ["broken-convnets prove", "broken-convnets trace --jsn"])
def test_a_wrong_command_in_a_sentence_is_found(code: str) -> None:
    assert [misnamed(words) for words in document(f"Use `{code}`.").mentions()] == [True]


def test_a_command_in_a_sentence_may_omit_what_the_command_needs() -> None:
    words = ["trace", "--json"]
    assert document("Use `broken-convnets trace --json`.").mentions() == [words]
    assert refused(words)
    assert not misnamed(words)


def test_placeholders_and_other_programs_are_no_command_lines_of_ours() -> None:
    text = "`broken-convnets COMMAND --help`, `broken-convnets ...`, `broken-convnets`, `nox -s x`"
    assert document(text).mentions() == []
    assert document("`broken-convnets show <id>`").mentions() == [["show", "ID"]]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_id_exists(document: Document, corpus: Corpus) -> None:
    lines = [*document.commands(), *document.mentions()]
    assert [name for words in lines for name in unknown_ids(words, corpus, created(document))] == []
    assert unknown_references(document, corpus) == []


@pytest.mark.parametrize(
    "text",
    [
        "broken-convnets show no_such_case",
        "broken-convnets reproduce none/no_such_case --device cpu",
        "broken-convnets score ruff --only no_such_topic",
    ],
)
def test_an_unknown_id_in_a_command_line_is_found(text: str, corpus: Corpus) -> None:
    for found in (document(f"```sh\n{text}\n```").commands(), document(f"`{text}`").mentions()):
        assert [len(unknown_ids(words, corpus, set())) for words in found] == [1]


def test_an_unknown_id_in_a_sentence_is_found(corpus: Corpus) -> None:
    text = "`none/no_such_case`, `none/missing_return`, `none/forward_missing_return`, `a/b`"
    assert unknown_references(document(text), corpus) == ["none/no_such_case"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_exists(document: Document) -> None:
    assert missing_files(document) == []


def test_a_path_to_nothing_is_found() -> None:
    text = "`harness/no_such_file.py`, `docs/*.md`, `results/torch-<release>/cpu.toml`, `a/b.py`"
    assert missing_files(document(text)) == ["harness/no_such_file.py"]
    assert missing_files(document("```sh\npython tests/no_such.py X\n```")) == ["tests/no_such.py"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_nox_session_exists(document: Document) -> None:
    assert set(NOX.findall(document.text)) <= nox_sessions()


def test_an_unknown_nox_session_is_found() -> None:
    assert {"tests", "matrix"} <= nox_sessions()
    assert "no_such_session" not in nox_sessions()


def test_the_readme_has_the_two_commands_and_ci_runs_the_tests() -> None:
    lines = document((ROOT / "README.md").read_text(encoding="utf-8")).shell_lines()
    assert f"{INSTALL} && .venv/bin/nox -s reproduce" in lines
    assert f"{INSTALL} && .venv/bin/nox -s tests" in lines
    assert f"{INSTALL} && .venv/bin/nox -s tests" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def empty_headers(text: str) -> list[str]:
    """Return the header rows of tables with an empty cell, which a screen reader cannot name."""
    rows = re.findall(r"^(\|.*\|)\n\| ?:?-{3}", text, re.MULTILINE)
    return [row for row in rows if any(not cell.strip() for cell in row.split("|")[1:-1])]


def test_every_column_of_a_table_has_a_name() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
    assert [row for text in texts for row in empty_headers(text)] == []
    assert empty_headers("| | b |\n| --- | --- |\n") == ["| | b |"]


def test_the_figures_are_those_of_the_corpus(corpus: Corpus) -> None:
    cases = [entry for entry in corpus.entries.values() if isinstance(entry, Case)]
    silent = sum(case.spec.broken.stage == "silent" for case in cases)
    controls = len(corpus.entries) - len(cases)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"one mistake: {len(cases)} of them, {silent} of which raise no exception" in readme
    assert f"looks broken but works: {controls} of them" in readme
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"{len(cases)} cases, each with its fix, and {controls} controls. {silent} " in changelog
    assert f"obey {len(Law)} laws" in changelog


def test_the_picture_shows_what_the_case_does(corpus: Corpus) -> None:
    picture = (ROOT / "docs/missing_return.svg").read_text(encoding="utf-8")
    lines = [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture)]
    source = corpus.entries["none/missing_return"].programs()["broken"].splitlines()
    for number, line in (
        (35, "Net()(*example_inputs())"),
        (27, "return self.fc(torch.flatten(x, 1))"),
    ):
        assert line in lines
        assert source[number - 1].strip() == line
        assert any(f"line {number}, " in text for text in lines)
    records = (ROOT / "results/torch-2.15.0/cpu.toml").read_text(encoding="utf-8")
    assert "conv Conv2d: float32[4, 3, 8, 8] -> float32[4, 8, 6, 6]" in records
    assert "attend ChannelAttention: float32[4, 8, 6, 6] -> None" in records
    for text in ("conv Conv2d", "attend ChannelAttention", "float32[4, 8, 6, 6]", "None"):
        assert text in lines
