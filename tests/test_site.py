"""The pages are complete, small and escaped, and every link has a target."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote

import fake_tools as fake
import msgspec
import pages
import pytest
import tomli_w
from broken_convnets.cli import main
from broken_convnets.commands.bench import stored
from broken_convnets.commands.score.metrics.score import compute_score
from broken_convnets.commands.site.build import MARKER, build
from broken_convnets.commands.site.changed_messages import changed_messages, pieces
from broken_convnets.commands.site.prose import Prose
from broken_convnets.commands.site.scoreboard import RATES, Bars, chart
from broken_convnets.commands.site.sections import INSIDE, TOPICS, USE, by_section
from broken_convnets.corpus.entries import Case, load
from broken_convnets.corpus.symptoms import Symptom
from broken_convnets.verdicts.records import Baseline, Record, Side
from broken_convnets.vocabulary import Stage, Verdict
from fake_tools import ask
from kit import BOOK, BROKEN, HEALTHY, Pair, Solo, corpus_of, our_corpus, our_records, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus

LARGEST = 100_000  # bytes of a page
SLOWEST = 10.0  # seconds
HOSTILE = """"'><b-hostile onclick=x></code></script><script>alert(1)</script> [x](javascript:x)"""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return our_corpus()


@pytest.fixture(scope="module")
def site(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "site"
    began = time.process_time()
    built = build(corpus, out)
    assert time.process_time() - began < SLOWEST
    assert built.largest < LARGEST
    return out


@pytest.fixture(scope="module")
def read(site: Path) -> dict[str, pages.Read]:
    return pages.site(site)


def test_every_entry_has_a_page(corpus: Corpus, read: dict[str, pages.Read]) -> None:
    assert {f"{name}.html" for name in corpus.entries} <= set(read)
    assert {"index.html", "why-none.html", "myths.html", "releases.html", "timings.html"} <= set(
        read
    )


def test_every_link_has_a_target(site: Path, read: dict[str, pages.Read]) -> None:
    assert sum(len(page.links) for page in read.values()) > 1000
    assert pages.dead_links(site, read) == []


def test_every_page_is_reachable_from_the_front_page(read: dict[str, pages.Read]) -> None:
    assert set(read) - pages.reached(read, "index.html") == set()


def test_the_check_for_unreachable_pages_finds_them() -> None:
    read = {
        "a.html": pages.Read(["b/c.html#x"]),
        "b/c.html": pages.Read(["../a.html"]),
        "b/d.html": pages.Read(["c.html"]),
    }
    assert pages.reached(read, "a.html") == {"a.html", "b/c.html"}


def test_pages_load_only_their_own_files(read: dict[str, pages.Read]) -> None:
    loads = {load for page in read.values() for load in page.loads}
    assert {load.partition("static/")[0] for load in loads if not load.startswith("data:")} == {
        "",
        "../",
    }
    assert [page.foreign for page in read.values() if page.foreign] == []


def test_every_silent_case_is_on_the_pages_of_its_symptoms(
    corpus: Corpus, read: dict[str, pages.Read]
) -> None:
    silent = [case for case in corpus.entries.values() if isinstance(case, Case) and _silent(case)]
    assert len(silent) > 70
    for case in silent:
        for symptom in case.spec.symptoms:
            assert f"../{case.id}.html" in read[f"symptoms/{symptom}.html"].links


def _silent(case: Case) -> bool:
    return case.spec.broken.stage is Stage.SILENT


def test_the_front_page_links_to_the_symptoms(read: dict[str, pages.Read]) -> None:
    assert "symptoms.html" in read["index.html"].links
    found = {link for link in read["symptoms.html"].links if link.startswith("symptoms/")}
    assert found == {f"symptoms/{symptom}.html" for symptom in Symptom}


def test_the_front_page_leads_to_symptoms_learn_and_tools(read: dict[str, pages.Read]) -> None:
    assert {"symptoms.html", "learn.html", "tools.html"} <= set(read["index.html"].links)


def test_every_topic_has_a_description(corpus: Corpus, site: Path) -> None:
    topics = {name.partition("/")[0] for name in corpus.entries}
    assert topics - TOPICS.keys() == {name for name in topics if _is_of_controls(corpus, name)}
    assert TOPICS["memory"] in (site / "index.html").read_text()


def _is_of_controls(corpus: Corpus, topic: str) -> bool:
    entries = [each for name, each in corpus.entries.items() if name.startswith(f"{topic}/")]
    return not any(isinstance(each, Case) for each in entries)


def test_pages_about_the_inside_are_under_one_heading() -> None:
    found = by_section({"learn": "Learn", "coverage": "Coverage", "timings": "Run times"})
    assert found == {
        USE: [("Learn", "learn")],
        INSIDE: [("Coverage", "coverage"), ("Run times", "timings")],
    }


def test_a_changed_message_is_shown_word_by_word(site: Path) -> None:
    assert list(pieces("TypeError: got 3 channels", "TypeError: got 4 channels")) == [
        ("", "TypeError: got "),
        ("del", "3"),
        ("ins", "4"),
        ("", " channels"),
    ]
    other = "ValueError: no match"  # shares too little for a comparison word by word
    assert list(pieces("TypeError: got 3 channels", other)) == [
        ("del", "TypeError: got 3 channels"),
        ("ins", other),
    ]
    page = (site / "messages.html").read_text()
    assert "<del>scalar</del><ins>target</ins>" in page


def test_what_a_file_says_to_its_authors_is_not_on_its_page() -> None:
    prose = Prose([], ["scoring"])
    text = "# Tools\n\nWritten by `score`; do not edit. `docs/scoring.md` has more."
    assert prose.document(text, "") == (
        '<h1 id="tools">Tools</h1>\n'
        '<p><a href="scoring.html"><code>docs/scoring.md</code></a> has more.</p>\n'
    )
    for code in ("scoring.md", "docs/other.md", "docs/scoring.py"):
        assert "<a" not in prose.document(f"See `{code}`.", "")


def test_the_scoreboard_begins_with_a_chart(site: Path) -> None:
    page = (site / "scoreboard.html").read_text()
    assert page.index('class="chart"') < page.index("Detection: which programs are broken")


def test_the_chart_has_a_row_for_each_tool_in_the_order_of_the_leaderboard() -> None:
    programs = fake.programs(8, controls=4)
    tools = {"mute": fake.declines_everything, "traceback": fake.traceback, "x\x1b": fake.oracle}
    scores = [compute_score(ask(one, programs), tool=name) for name, one in tools.items()]
    assert chart(scores) == [
        Bars("x\N{REPLACEMENT CHARACTER}", [100, 100, 0, 100, 100]),
        Bars("traceback (baseline)", [100, 0, 0, 0, 0]),
        Bars("mute", [None] * len(RATES)),
    ]
    assert chart([]) == []


def test_the_chart_has_the_figures_of_the_tables(site: Path) -> None:
    page = (site / "scoreboard.html").read_text()
    drawn, tables = page.split('class="chart"')[1].split("</table>", 1)
    plain = re.sub(r"</?strong>", "", tables)
    bars = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', drawn)
    assert "coin 1" in dict(bars)
    for name, cells in bars:
        rows = re.findall(rf"<td>{re.escape(name)}</td>.*?</tr>", plain, re.DOTALL)
        shown = {share for row in rows for share in re.findall(r", (\d+%) \(", row)}
        assert set(re.findall(r"(\d+%)</td>", cells)) <= shown


def test_messages_that_are_the_same_are_left_out() -> None:
    assert changed_messages([]) == []


def test_a_question_without_its_cases_is_left_out(tmp_path: Path) -> None:
    leak = Pair(silent=("memory-flat",), extra={"symptoms": ["memory_grows"]})
    corpus = corpus_of(tmp_path / "corpus", {"memory/loss_sum_keeps_graph": leak, "loss/x": leak})
    build(corpus, tmp_path / "site")
    page = (tmp_path / "site/symptoms/memory_grows.html").read_text()
    read = pages.site(tmp_path / "site")
    assert pages.dead_links(tmp_path / "site", read) == []
    assert "A sum of the losses" in page
    assert "A list of outputs" not in page
    assert "../loss/x.html" in read["symptoms/memory_grows.html"].links
    assert {path for path in read if path.startswith("symptoms/")} == {"symptoms/memory_grows.html"}


def test_a_page_shows_everything_about_its_case(site: Path) -> None:
    page = (site / "none/missing_return.html").read_text()
    for text in (
        "Missing return in a custom layer",
        "must be Tensor, not NoneType",
        "the mistake</b>",
        "raises here</b>",
        "13 lines below the mistake",
        "https://github.com/pytorch/pytorch/issues/12436",
        "python cases/none/missing_return.py",
        "float32[4, 8, 6, 6]",
        'class="first-difference"',
        '<a href="../none/last_layer_missing_return.html">',
    ):
        assert text in page, text


def test_a_download_contains_the_program(corpus: Corpus, read: dict[str, pages.Read]) -> None:
    for name, entry in corpus.entries.items():
        data = [link for link in read[f"{name}.html"].links if link.startswith("data:")]
        programs = [unquote(link.partition(",")[2]) for link in data]
        assert programs == list(entry.programs().values())


def test_the_page_about_none_links_to_every_case_about_none(
    corpus: Corpus, read: dict[str, pages.Read]
) -> None:
    links = read["why-none.html"].links
    about_none = {f"{name}.html" for name in corpus.entries if name.startswith("none/")}
    about_none -= {f"{name}.html" for name, entry in corpus.entries.items() if entry.kind != "case"}
    assert about_none <= set(links)
    assert "batch/flexible_batch_size.html" in links


def _messages_of_cases(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each case of the tables of messages with the messages that its row quotes."""
    quoted: list[str] = []
    for row in re.findall(r"^\| .*\.py\) \|$|^\| \|.*\.py\) \|$", text, flags=re.MULTILINE):
        cell, _, case = (part.strip() for part in row.strip("|").split(" | "))
        quoted = re.findall(r"`([^`]+)`", cell) or quoted
        yield case[1:].partition("]")[0], quoted


def _matches(quoted: str, message: str) -> bool:
    return all(part.strip() in message for part in quoted.split("..."))


def test_the_page_about_none_quotes_recorded_messages(corpus: Corpus) -> None:
    tables = (corpus.root / "docs/why-none.md").read_text().partition("## What is not the cause")[0]
    recorded = next(one for one in our_records() if one.device == "cpu")
    rows = list(_messages_of_cases(tables))
    assert len(rows) > 15
    for name, quoted in rows:
        side = recorded.entries[name].broken
        assert side is not None
        assert any(_matches(one, side.message) for one in quoted), (name, quoted, side.message)


def test_a_misquoted_message_is_found() -> None:
    row = "| `must be Tensor, not NoneType` | why | [a/b](../cases/a/b.py) |"
    ((name, (quoted,)),) = _messages_of_cases(row)
    assert name == "a/b"
    assert _matches(quoted, "it must be Tensor, not NoneType")
    assert not _matches(quoted, "'NoneType' object is not callable")


def _hostile(root: Path) -> Corpus:
    words = dict.fromkeys(("title", "why", "diagnose", "distinguish"), HOSTILE)
    sources = [f"https://example.org/{HOSTILE.split(maxsplit=1)[0]}"]
    comment = f'X = """{HOSTILE}"""\n'
    pair = Pair(
        BROKEN + comment,
        HEALTHY + comment,
        extra={
            **words,
            "sources": sources,
            "hints": [HOSTILE],
            "other_messages": [{"message": HOSTILE, "torch": HOSTILE}],
        },
    )
    solo = Solo(
        HEALTHY + comment,
        extra={"title": HOSTILE, "claim": HOSTILE, "truth": HOSTILE, "sources": sources},
    )
    leak = replace(pair, silent=("memory-flat",), declared={})
    names: dict[str, Pair | Solo] = {
        "shape/pair": pair,
        "shape/other": pair,
        "loss/leak": leak,
        "a&b/<i>&?#%20": solo,
    }
    corpus_of(root, names)
    side = Side(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        holds=[HOSTILE],
        violates=[HOSTILE],
        layers=[f"{HOSTILE} {HOSTILE}: {HOSTILE} -> {HOSTILE}"],
    )
    record = Record(Verdict.REPRODUCED, side, Side(layers=["Net: None -> None"], holds=[HOSTILE]))
    baseline = Baseline(HOSTILE, "", "", HOSTILE, {"shape/pair": record, "shape/other": record})
    put(root / "results/torch-1/cpu.toml", tomli_w.dumps(msgspec.to_builtins(baseline)))
    stats = {"median": 1e-4, "q1": 1e-4, "q3": 1e-4, "rounds": 1}
    timing = {
        "benchmarks": [{"params": {"name": HOSTILE}, "stats": stats}],
        "machine_info": {"cpu": {"brand_raw": HOSTILE}, "system": HOSTILE},
    }
    put(root / "results/timing/here/1.json", msgspec.json.encode(timing).decode())
    put(
        root / "results/tools/README.md",
        f"# {HOSTILE}\n\n| a |\n| - |\n| {HOSTILE} |\n\n![x](x.png)",
    )
    return load(root)


def test_text_of_programs_and_reports_is_escaped(tmp_path: Path) -> None:
    corpus = _hostile(tmp_path / "corpus")
    assert len(corpus.entries) == 4
    build(corpus, tmp_path / "site")
    read = pages.site(tmp_path / "site")
    assert [(path, page.foreign) for path, page in read.items() if page.foreign] == []
    assert pages.dead_links(tmp_path / "site", read) == []
    script = (tmp_path / "site/static/index.js").read_text()
    assert script.count("\n") == 1
    assert "b-hostile" in script


@pytest.mark.parametrize(
    "sick",
    [
        "<script>x</script>",
        "<p onclick='x'>",
        "<a href='javascript:x'>",
        "<img src=x>",
        "<b-hostile>",
    ],
)
def test_the_check_for_foreign_markup_finds_it(sick: str) -> None:
    assert pages.read(sick).foreign


def test_the_check_for_dead_links_finds_them(tmp_path: Path) -> None:
    put(
        tmp_path / "a.html",
        '<a href="b.html"></a><a href="#c"></a><script src="d.js"></script><p id=e><a href=#e>',
    )
    assert len(pages.dead_links(tmp_path, pages.site(tmp_path))) == 3


def test_a_release_without_the_case_contributes_no_message(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "corpus", {"shape/pair": Pair()})
    sick = Side(raises="AttributeError", message="no such thing yet")
    baseline = Baseline("2.1", "", "", "cpu", {"shape/pair": Record(Verdict.NOT_HERE, sick, sick)})
    put(corpus.root / "results/torch-2.1/cpu.toml", tomli_w.dumps(msgspec.to_builtins(baseline)))
    build(corpus, tmp_path / "site")
    page = (tmp_path / "site/shape/pair.html").read_text()
    assert "the fixed program fails: AttributeError: no such thing yet" in page
    assert '<p class="text">cannot be multiplied</p>' in page


def test_a_page_shows_measured_run_times(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "corpus", {"shape/pair": Pair()})
    put(
        corpus.root / "results/timing/broken-cpu.toml",
        'device = "cpu"\n[failures_us]\n"shape/pair" = 12.5\n',
    )
    build(corpus, tmp_path / "site")
    times = stored.read(corpus.root / "results", "cpu")
    assert stored.sentence(times, "shape/pair")
    page = (tmp_path / "site/shape/pair.html").read_text()
    assert stored.sentence(times, "shape/pair") in unescape(page)


def test_a_corpus_without_results_has_pages(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "corpus", {"shape/pair": Pair(), "dtype/myth": Solo()})
    built = build(corpus, tmp_path / "site")
    assert built.pages == 4
    assert not (tmp_path / "site/releases.html").exists()
    assert not (tmp_path / "site/scoreboard.html").exists()
    assert "cannot be multiplied" in (tmp_path / "site/shape/pair.html").read_text()


def test_tools_have_a_page_where_they_have_scores(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "corpus", {"shape/pair": Pair()})
    put(corpus.root / "results/tools/README.md", "# Tools\n\nSee shape/pair.")
    build(corpus, tmp_path / "site")
    assert 'href="scoreboard.html"' in (tmp_path / "site/index.html").read_text()
    assert 'href="shape/pair.html"' in (tmp_path / "site/scoreboard.html").read_text()


def test_a_rebuilt_site_deletes_pages_of_deleted_cases(tmp_path: Path) -> None:
    build(corpus_of(tmp_path / "one", {"shape/gone": Pair()}), tmp_path / "site")
    build(corpus_of(tmp_path / "two", {"shape/pair": Pair()}), tmp_path / "site")
    assert not (tmp_path / "site/shape/gone.html").exists()
    assert (tmp_path / "site" / MARKER).is_file()


def test_a_rebuilt_site_leaves_files_alone_that_no_build_wrote(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "one", {"shape/pair": Pair()})
    build(corpus, tmp_path / "site")
    put(tmp_path / "site/shape/notes.txt", "mine")
    build(corpus, tmp_path / "site")
    assert (tmp_path / "site/shape/notes.txt").read_text() == "mine"


def test_a_forged_list_of_pages_deletes_nothing_outside(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "one", {"shape/pair": Pair()})
    build(corpus, tmp_path / "site")
    put(tmp_path / "thesis.txt", "years of work")
    (tmp_path / "site/link").symlink_to(tmp_path)
    put(tmp_path / "site" / MARKER, f"../thesis.txt\n{tmp_path}/thesis.txt\nlink/thesis.txt\n")
    build(corpus, tmp_path / "site")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_site_says_that_nothing_was_run(tmp_path: Path) -> None:
    build(corpus_of(tmp_path / "one", {"shape/pair": Pair()}), tmp_path / "site")
    front, page = (
        (tmp_path / "site" / name).read_text() for name in ("index.html", "shape/pair.html")
    )
    assert "None of these networks was run here" in front
    assert "Not run: this page shows what is declared." in page


def test_the_site_says_which_entries_were_run_and_where(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "one", {"shape/pair": Pair(), "shape/new": Pair()})
    put(corpus.root / "results/torch-2.14.1/cpu.toml", BOOK)
    build(corpus, tmp_path / "site")
    pages = [
        tmp_path / "site" / name for name in ("index.html", "shape/pair.html", "shape/new.html")
    ]
    front, pair, new = (page.read_text() for page in pages)
    assert "1 of 2 entries were run with torch 2.14.1 on cpu; 1 of them behave" in front
    assert "Run with torch 2.14.1." in pair
    assert "Not run" in new


def _refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    corpus_of(tmp_path / "corpus", {"shape/pair": Pair()})
    code = main(["site", "--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "out")])
    assert code == 2
    return capsys.readouterr().err


def test_a_folder_with_other_files_is_rejected_and_unchanged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "out/thesis.txt", "years of work")
    assert "is not empty and not a site" in _refused(tmp_path, capsys)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_file_is_rejected_as_output_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "out", "text")
    assert "is a file: name a folder" in _refused(tmp_path, capsys)


@pytest.mark.parametrize("damaged", ["torch-1/cpu.toml", "timing/here/1.json"])
def test_damaged_results_leave_an_existing_site_unchanged(
    damaged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = corpus_of(tmp_path / "corpus", {"shape/pair": Pair()})
    build(corpus, tmp_path / "out")
    before = (tmp_path / "out/index.html").read_bytes()
    put(corpus.root / "results" / damaged, "{")
    assert "restore it, or delete it" in _refused(tmp_path, capsys)
    assert (tmp_path / "out/index.html").read_bytes() == before


def test_the_command_prints_the_path_of_the_front_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus_of(tmp_path / "corpus", {"shape/pair": Pair()})
    put(tmp_path / "corpus/cases/loss/half.py", HEALTHY)
    out = tmp_path / "made"
    assert main(["site", "--corpus", str(tmp_path / "corpus"), "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    assert msgspec.json.decode(printed.out)["front"] == str(out / "index.html")
    assert "skipped " in printed.err


def test_pages_of_cases_with_the_same_symptom_link_to_each_other(
    corpus: Corpus, read: dict[str, pages.Read]
) -> None:
    silent = [
        e.id for e in corpus.entries.values() if isinstance(e, Case) and e.spec.broken.violates
    ]
    assert silent
    assert "../training/frozen_new_head.html" in read["training/loss_on_argmax.html"].links


def test_a_heading_has_the_anchor_that_github_forms() -> None:
    text = "## What a program may use\n\n### `[broken]`, or not?\n\n[below](#broken-or-not)\n"
    html = Prose([], []).document(text, "")
    assert '<h2 id="what-a-program-may-use">' in html
    assert '<h3 id="broken-or-not">' in html
    assert '<a href="#broken-or-not">below</a>' in html
