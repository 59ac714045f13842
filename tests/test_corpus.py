"""What a folder holds: sound entries, and a problem with its remedy for all else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus.entries import find, load
from broken_convnets.errors import CorpusError
from broken_convnets.verdicts.collect import plan
from broken_convnets.vocabulary import Verdict
from kit import BROKEN, HEALTHY, Pair, Remembering, Solo, corpus_of, our_corpus, outcome, put

if TYPE_CHECKING:
    from pathlib import Path

SOUND: dict[str, Pair | Solo] = {"shape/pair": Pair(), "dtype/other": Pair(), "dtype/myth": Solo()}
HALVES = [
    ("fixes/shape/pair.py", "fixes/shape/pair.py: is missing, but cases/shape/pair.py exists"),
    ("cases/shape/pair.py", "cases/shape/pair.py: is missing, but cases/shape/pair.toml"),
    ("cases/shape/pair.toml", "cases/shape/pair.toml: is missing, but cases/shape/pair.py"),
    ("controls/dtype/myth.py", "controls/dtype/myth.py: is missing, but controls/dtype/myth.to"),
    ("controls/dtype/myth.toml", "controls/dtype/myth.toml: is missing, but controls/dtype/my"),
]
STRAYS = [
    "cases/stray.py",
    "cases/shape/deep/stray.py",
    "cases/shape/notes.md",
    "fixes/shape/pair.toml",
    "controls/dtype/myth.txt",
    "fixes/shape/pair.py.orig",
]


def test_a_valid_corpus_has_entries_and_no_problems(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, SOUND)
    assert corpus.problems == []
    assert {name: entry.kind for name, entry in corpus.entries.items()} == {
        "shape/pair": "pair",
        "dtype/other": "pair",
        "dtype/myth": "control",
    }


@pytest.mark.parametrize(("missing", "sentence"), HALVES)
def test_a_missing_file_is_reported_with_the_remedy(
    missing: str, sentence: str, tmp_path: Path
) -> None:
    corpus_of(tmp_path, SOUND)
    (tmp_path / missing).unlink()
    corpus = load(tmp_path)
    assert [str(problem)[: len(sentence)] for problem in corpus.problems] == [sentence]
    assert corpus.problems[0].message.endswith(": add it")
    assert len(corpus.entries) == 2
    assert corpus.ids == sorted(SOUND)


@pytest.mark.parametrize("stray", STRAYS)
def test_an_unexpected_file_is_reported_with_the_remedy(stray: str, tmp_path: Path) -> None:
    corpus_of(tmp_path, SOUND)
    put(tmp_path / stray, HEALTHY)
    mine = [problem for problem in load(tmp_path).problems if problem.file == stray]
    assert [problem.message.endswith(": move or delete it") for problem in mine] == [True]


@pytest.mark.parametrize("name", ["cases/shape/__pycache__/pair.pyc", "fixes/.gitkeep"])
def test_files_of_tools_are_ignored(name: str, tmp_path: Path) -> None:
    corpus_of(tmp_path, SOUND)
    put(tmp_path / name, "")
    assert load(tmp_path).problems == []


@pytest.mark.parametrize("twin", [Pair(), Solo()])
def test_an_id_is_unique_over_topics_and_trees(twin: Pair | Solo, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, {**SOUND, "loss/pair": twin})
    assert [problem.id for problem in corpus.problems] == ["loss/pair", "shape/pair"]
    assert {problem.message for problem in corpus.problems} == {
        "the id 'pair' is used twice in the corpus: rename one"
    }


def test_a_bad_toml_is_a_problem_of_its_entry_alone(tmp_path: Path) -> None:
    corpus_of(tmp_path, SOUND)
    put(tmp_path / "cases/shape/pair.toml", "title =")
    corpus = load(tmp_path)
    assert [problem.file for problem in corpus.problems] == ["cases/shape/pair.toml"]
    assert set(corpus.entries) == {"dtype/other", "dtype/myth"}


@pytest.mark.parametrize(
    "value",
    ["[" * 9_999 + "]" * 9_999, "{a=" * 9_999, "1" * 10_000, "0x" + "f" * 10_000, ".a" * 9_999],
    ids=["arrays", "tables", "decimal", "hexadecimal", "key"],
)
def test_a_monstrous_toml_costs_only_its_entry(value: str, tmp_path: Path) -> None:
    corpus_of(tmp_path, SOUND)
    put(tmp_path / "cases/shape/pair.toml", f"title = {value}")
    corpus = load(tmp_path)
    assert set(corpus.entries) == set(SOUND) - {"shape/pair"}
    (problem,) = corpus.problems
    assert problem.file == "cases/shape/pair.toml"


@pytest.mark.parametrize("tree", ["cases", "fixes"])
def test_a_source_that_is_not_utf8_is_a_problem_of_its_entry(tree: str, tmp_path: Path) -> None:
    corpus_of(tmp_path, SOUND)
    (tmp_path / tree / "shape/pair.py").write_bytes(b'"""Caf\xe9"""')
    corpus = load(tmp_path)
    assert [(problem.id, "save it as UTF-8" in problem.message) for problem in corpus.problems] == [
        ("shape/pair", True)
    ]


def test_a_folder_without_the_three_trees_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"is not a corpus: no cases/, fixes/, controls/ directory"
    ):
        load(tmp_path)


def test_an_orphan_fix_is_invalid_and_named(tmp_path: Path, runner: Remembering) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair()})
    put(tmp_path / "fixes/loss/orphan.py", HEALTHY)
    corpus = load(tmp_path)
    orphan = outcome(runner, corpus, "loss/orphan")
    assert orphan.verdict is Verdict.INVALID
    assert {wrong.what for wrong in orphan.judgement.mismatches} == {
        "cases/loss/orphan.py",
        "cases/loss/orphan.toml",
    }
    assert outcome(runner, corpus, "shape/pair").verdict is Verdict.REPRODUCED


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (Pair(BROKEN + "# see above\n"), "has a comment: remove it"),
        (
            Pair(fixed=HEALTHY.replace("import torch\n", "import ctypes\nimport torch\n", 1)),
            "imports ctypes",
        ),
    ],
)
def test_an_invalid_pair_is_not_run(
    pair: Pair, why: str, tmp_path: Path, runner: Remembering
) -> None:
    corpus = corpus_of(tmp_path, {"shape/pair": pair})
    assert not plan(corpus, corpus.ids, ["cpu"]).jobs
    found = outcome(runner, corpus, "shape/pair")
    assert (found.verdict, found.kind) == (Verdict.INVALID, "pair")
    assert why in found.judgement.mismatches[0].happened


def test_a_control_without_a_spec_is_invalid_and_still_a_control(
    tmp_path: Path, runner: Remembering
) -> None:
    corpus_of(tmp_path, SOUND)
    (tmp_path / "controls/dtype/myth.toml").unlink()
    assert outcome(runner, load(tmp_path), "dtype/myth").kind == "control"


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        ([], ["dtype/myth", "dtype/other", "shape/pair"]),
        (["shape/pair"], ["shape/pair"]),
        (["pair"], ["shape/pair"]),
        (["shape/pair.py"], ["shape/pair"]),
        (["dtype"], ["dtype/myth", "dtype/other"]),
        (["dtype/"], ["dtype/myth", "dtype/other"]),
        (["*/p*"], ["shape/pair"]),
        (["*m*"], ["dtype/myth"]),
        (["shape", "dtype/myth"], ["dtype/myth", "shape/pair"]),
        (["pair", "shape/pair"], ["shape/pair"]),
    ],
)
def test_a_pattern_selects(patterns: list[str], ids: list[str], tmp_path: Path) -> None:
    assert corpus_of(tmp_path, SOUND).select(patterns) == ids


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("shape/pear", "no case, control or topic is named 'shape/pear': did you mean shape/pair?"),
        ("qqq", "no case, control or topic is named 'qqq': see `broken-convnets list`"),
        ("PEAR/*", "no case, control or topic is named 'PEAR/*': see `broken-convnets list`"),
    ],
)
def test_an_unknown_pattern_is_refused_with_similar_ids(
    pattern: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError) as caught:
        corpus_of(tmp_path, SOUND).select(["shape/pair", pattern])
    assert str(caught.value) == sentence


@pytest.mark.parametrize("pattern", ["shape/pair", "pair", "shape/pair.py", "*/p*"])
def test_one_entry_is_found_and_no_other_is_read(pattern: str, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, SOUND)
    put(tmp_path / "cases/dtype/other.toml", "title =")
    (tmp_path / "controls/dtype/myth.py").write_bytes(b"\xff")
    assert find(tmp_path, pattern) == corpus.entries["shape/pair"]


@pytest.mark.parametrize("file", ["cases/shape/pair.toml", "cases/shape/pair.py", "fixes/shape/pa"])
def test_an_invalid_entry_is_reported_with_all_its_problems(file: str, tmp_path: Path) -> None:
    corpus_of(tmp_path, SOUND)
    put(tmp_path / file, "\x00 =")
    if file.endswith(".py"):
        (tmp_path / "cases/shape/pair.toml").unlink()
    problems = [str(problem) for problem in load(tmp_path).problems]
    assert problems
    name = "shape/pa" if file.endswith("pa") else "shape/pair"
    with pytest.raises(CorpusError) as caught:
        find(tmp_path, name)
    assert str(caught.value).splitlines() == problems


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("shape/pear", "no case, control or topic is named 'shape/pear': did you mean shape/pair?"),
        ("dtype", "'dtype' names 2 entries: choose one\n  dtype/myth\n  dtype/other"),
    ],
)
def test_a_pattern_for_several_entries_or_none_is_refused(
    pattern: str, sentence: str, tmp_path: Path
) -> None:
    corpus_of(tmp_path, SOUND)
    with pytest.raises(CorpusError) as caught:
        find(tmp_path, pattern)
    assert str(caught.value) == sentence


def test_links_count_as_files_and_are_not_followed_to_folders(tmp_path: Path) -> None:
    corpus_of(tmp_path, SOUND)
    (tmp_path / "cases/shape/link.py").symlink_to(tmp_path / "cases/shape/pair.py")
    (tmp_path / "cases/shape/lost.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "cases/more").symlink_to(tmp_path / "cases/shape", target_is_directory=True)
    assert {problem.id for problem in load(tmp_path).problems} == {"shape/link"}


def test_the_corpus_of_the_checkout_is_the_default() -> None:
    assert our_corpus().entries


def test_a_corpus_without_entries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="contains no cases and no controls"):
        corpus_of(tmp_path, {}).select([])
