"""The report of one tool in the terminal, and the leaderboard of several; without markup."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import fake_tools as fake
import msgspec
import pytest
from broken_convnets.commands.score import record
from broken_convnets.commands.score.leaderboard import escaped, page
from broken_convnets.commands.score.metrics.score import Score, compute_score
from broken_convnets.commands.score.protocol.messages import Need, Severity
from broken_convnets.commands.score.report import LISTED, report_lines
from broken_convnets.commands.score.wild_figures import (
    WildFigures,
    figures_of,
    figures_path,
    read_figures,
    write_figures,
)
from broken_convnets.errors import RecordError
from fake_tools import ask, finding, flag
from markdown_it import MarkdownIt
from rich.console import Console

from experiments.measure_wild_scores import combined

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.commands.score.programs.tool_result import ToolResult
    from broken_convnets.commands.score.protocol.messages import Diagnosis

PROGRAMS = fake.programs(cases=48, controls=24, variants=1)
SOURCE = frozenset({Need.SOURCE})
EVIL = "a|b<script>alert(1)</script>`x`[y](https://evil.example)*_~\n\\| www.evil.example \x1b[2J"


def _asked(tool: fake.FakeTool) -> tuple[Score, list[ToolResult]]:
    results = ask(tool, PROGRAMS)
    return compute_score(results, ask(fake.traceback, PROGRAMS), SOURCE), results


def _screen(tool: fake.FakeTool, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    for line in report_lines(*_asked(tool)):
        console.print(line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _named(tool: fake.FakeTool, name: str, version: str = "1.0") -> Score:
    return msgspec.structs.replace(_asked(tool)[0], tool=name, version=version)


def test_the_report_fits_on_one_screen() -> None:
    shown = _screen(fake.oracle)
    for words in (
        "+1.00 (+0.91 to +1.00)",
        "48 of 48, 100% (93 to 100)",
        "detected +12 -0, located +48 -0, classified +48 -0",
        "0 declined, 0 errors",
    ):
        assert words in shown
    assert "missed" not in shown
    assert len(shown.splitlines()) <= 24


def test_misses_and_false_positives_are_listed_up_to_a_limit() -> None:
    shown = _screen(lambda program: fake.CLEAN if program.truth else flag(finding("it is\n bad")))
    assert "missed: 48" in shown
    assert "false positives: 72" in shown
    assert "and 38 more, see --json" in shown
    assert "(fixed)  it is bad" in shown
    assert "  loss/case_010  silent" in shown
    assert shown.count("\n  loss/") == 2 * LISTED
    assert "errors: 120" in _screen(fake.always_fails)


def test_a_long_message_takes_one_line() -> None:
    shown = _screen(lambda program: fake.CLEAN if program.truth else flag(finding("word " * 50)))
    lines = [line for line in shown.splitlines() if "word" in line]
    assert len(lines) == LISTED
    assert all(line.endswith("…") and "(" in line for line in lines)


def test_the_report_of_a_tool_that_declines_everything_shows_no_rate() -> None:
    shown = _screen(fake.declines_everything)
    assert "Youden's J" in shown
    assert "no rate" in shown
    assert "0 of 48, 0%" in shown  # with declined
    assert "120 declined" in shown


@pytest.mark.parametrize("width", [40, 200])
def test_text_of_a_tool_cannot_control_the_terminal(width: int) -> None:
    shown = _screen(lambda _: flag(finding("\x1b[2J[/b][red]\r" + "x" * 4_000)), width)
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert max(map(len, shown.splitlines())) <= width
    if width > 100:
        assert "[/b][red]" in shown


def test_the_report_without_results_shows_no_rate() -> None:
    console = Console(file=io.StringIO())
    for line in report_lines(compute_score([])):
        console.print(line)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("no rate") > 5


def test_the_leaderboard_is_sorted_by_the_lower_limit_and_marks_the_baseline() -> None:
    one = ask(fake.oracle, fake.programs(1, controls=1))
    lucky = compute_score(one, one, SOURCE, tool="lucky")
    assert lucky.youden_j.value == 1
    scores = [
        _named(fake.declines_everything, "mute"),
        lucky,
        _named(fake.traceback, "traceback"),
        _named(fake.oracle, "oracle"),
        _named(fake.flags_everything, "yes"),
    ]
    made = page(scores, "traceback")
    table = made.split("## Detection")[1].split("##")[0]
    names = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert names[2:] == [
        "oracle 1.0",
        "**traceback 1.0** (baseline)",
        "lucky",
        "yes 1.0",
        "mute 1.0",
    ]
    assert "| shape | 16 of 16; 0 of 24 |" in made
    assert "Limits of this comparison" in made


def test_the_scores_on_real_models_stand_beside_those_on_the_corpus(tmp_path: Path) -> None:
    oracle = _named(fake.oracle, "oracle")
    wild = {"oracle": figures_of(_named(fake.declines_everything, "oracle"))}
    figures = WildFigures(seed=3, count=48, torch="2.0", torchvision="0.1", tools=wild)
    write_figures(tmp_path, figures)
    assert read_figures(tmp_path) == figures
    made = page(
        [oracle, _named(fake.flags_everything, "coin")], "traceback", read_figures(tmp_path)
    )
    table = made.split("## Two columns")[1].split("##")[0]
    (row,) = [line for line in table.splitlines() if line.startswith("| oracle")]
    assert row.split(" | ")[1:3] == [str(oracle.youden_j), "no rate"]
    assert "coin" not in table, "it was not measured on real models"
    assert "--seed 3 --count 48" in table


def test_without_scores_on_real_models_there_is_one_column(tmp_path: Path) -> None:
    assert read_figures(tmp_path) is None
    assert "Two columns" not in page([_named(fake.oracle, "oracle")], "traceback")


def test_invalid_figures_are_refused(tmp_path: Path) -> None:
    figures_path(tmp_path).parent.mkdir()
    figures_path(tmp_path).write_text("seed = 'three'\n", encoding="utf-8")
    with pytest.raises(RecordError, match="measure again"):
        read_figures(tmp_path)


@pytest.mark.parametrize(("seed", "kept"), [(3, ["one", "other"]), (4, ["other"])])
def test_figures_of_other_programs_are_not_kept(seed: int, kept: list[str]) -> None:
    wild = figures_of(_named(fake.oracle, "one"))
    before = WildFigures(3, 48, "2.0", "0.1", {"one": wild})
    now = WildFigures(seed, 48, "2.0", "0.1", {"other": wild})
    assert sorted(combined(before, now).tools) == kept


def test_the_name_of_a_tool_is_not_interpreted_as_markup() -> None:
    made = page([_named(fake.oracle, EVIL, EVIL), _named(fake.traceback, "traceback")], "traceback")
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(made)
    assert "<script" not in html
    assert "<a " not in html
    assert "<code>x" not in html
    assert html.count("<table>") == 4
    tables = made.split("\n\n")
    for table in (part for part in tables if part.startswith("| tool")):
        assert len({row.count("|") for row in table.splitlines()}) == 1
    assert "\x1b" not in made
    assert "a|b&lt;script&gt;" in html  # it is shown to the letter


def test_a_version_stays_readable() -> None:
    assert escaped("2.14.1-rc 1") == "2.14.1-rc 1"
    assert escaped("www.a") == "www&#46;a"
    assert len(escaped("x" * 10_000)) < 200


def _after_a_warning(program: CorpusProgram) -> Diagnosis:
    """Say a mild word first, then what the oracle says."""
    found = fake.oracle(program)
    mild = finding("perhaps", severity=Severity.WARNING)
    return msgspec.structs.replace(found, findings=[mild, *found.findings])


@pytest.mark.parametrize(
    "tool",
    [
        fake.oracle,
        fake.traceback,
        fake.line_one,
        fake.flags_everything,
        fake.warns,
        fake.always_fails,
        fake.declines_everything,
        fake.coin(0.5, 2),
        _after_a_warning,
    ],
)
def test_a_record_reproduces_the_leaderboard(tool: fake.FakeTool) -> None:
    text = "".join(f"line {number}\n" for number in range(30))
    programs = [dataclasses.replace(one, source=text) for one in fake.programs(48, controls=24)]
    results, base = ask(tool, programs), ask(fake.traceback, programs)
    answers = record.recorded_answers(results, SOURCE)
    made = record.ToolRecord("t", "1", [Need.SOURCE], [], "2.14.1", record.misses(answers), answers)
    recorded = record.recorded_results(made, programs)
    scores = [compute_score(one, base, SOURCE, tool="t") for one in (results, recorded)]
    if tool is not _after_a_warning:
        assert page(scores[:1], "traceback") == page(scores[1:], "traceback")
    # Of several findings a book keeps one.
    scores = [
        msgspec.structs.replace(one, with_warnings=scores[0].with_warnings, seconds=None)
        for one in scores
    ]
    assert scores[0] == scores[1]


def test_the_leaderboard_does_not_depend_on_run_times() -> None:
    scores = [_named(fake.oracle, "b"), _named(fake.traceback, "a")]
    slower = [msgspec.structs.replace(one, seconds=None) for one in reversed(scores)]
    assert page(scores, "a") == page(slower, "a")


@pytest.mark.parametrize(
    ("tool", "version", "shown"),
    [
        ("ruff", "ruff 0.17.6", "| ruff 0.17.6 |"),
        ("torch_preflight", "torch-preflight 0.5.0", "| torch-preflight 0.5.0 |"),
        ("export", "torch 2.14.1", "| export torch 2.14.1 |"),
    ],
)
def test_the_leaderboard_names_a_tool_once(tool: str, version: str, shown: str) -> None:
    assert shown in page([_named(fake.flags_nothing, tool, version)], "traceback")
