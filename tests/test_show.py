"""`show` starts with what happens and what it means, and stays short."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.show.page import page
from broken_convnets.verdicts.records import Record, Side
from broken_convnets.vocabulary import Law, Verdict
from kit import SAYS, Pair, Solo, case_of, control_of
from rich.console import Console

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Entry

HEADINGS = [
    "What happens",
    "What it means",
    "The fix",
    "How to find it next time",
    "How to tell it apart",
    "Layer trace (torch 2.0)",
    "Other wordings",
    "Reports",
    "Run time",
    "Run it",
]


def _shown(entry: Entry, layers: int = 0, times: str = "") -> str:
    lines = [f"conv{number} Conv2d: float32[1] -> float32[2]" for number in range(layers)]
    record = Record(Verdict.REPRODUCED, broken=Side(message=SAYS, layers=lines))
    stream = io.StringIO()
    console = Console(file=stream, width=132, highlight=False)
    console.print(page(entry, Path("corpus"), record, "2.0", times))
    return stream.getvalue()


def _case(**extra: Any) -> Entry:
    return case_of(Pair(extra=extra))


def _others(count: int) -> list[dict[str, str]]:
    return [
        {"message": f"RuntimeError: wording {number}", "torch": "1.4"} for number in range(count)
    ]


def test_a_page_has_its_headings_in_order() -> None:
    shown = _shown(_case(other_messages=_others(1)), layers=1, times="Fast.").splitlines()
    assert [line for line in shown if line in HEADINGS] == HEADINGS


def test_a_page_has_no_heading_without_text() -> None:
    absent = {"Layer trace (torch 2.0)", "Other wordings", "Run time"}
    shown = _shown(_case()).splitlines()
    assert [line for line in shown if line in HEADINGS] == [
        heading for heading in HEADINGS if heading not in absent
    ]


def test_a_loud_failure_shows_its_exception_and_message() -> None:
    assert f"What happens\nRuntimeError (stage forward, layer fc)\n  {SAYS}\n" in _shown(_case())


@pytest.mark.parametrize("law", Law)
def test_a_silent_failure_says_how_the_law_is_violated(law: Law) -> None:
    shown = _shown(case_of(Pair(silent=(law.value,))))
    expected = f"Nothing is raised.\nThe program violates {law}: {law.violation}.\n"
    assert expected in shown
    assert law.description not in shown


@pytest.mark.parametrize("law", Law)
def test_a_violation_is_a_clause_that_differs_from_the_description(law: Law) -> None:
    assert re.match(r"[a-zA]", law.violation)
    assert not law.violation.endswith(".")
    assert law.violation.lower() != law.description.lower().rstrip(".")


@pytest.mark.parametrize(("layers", "rows", "more"), [(24, 24, 0), (25, 25, 0), (68, 25, 44)])
def test_a_long_layer_trace_is_folded(layers: int, rows: int, more: int) -> None:
    trace = _shown(_case(), layers).partition("Layer trace")[2].partition("\n\n")[0]
    found = trace.splitlines()[1:]
    assert len(found) == rows
    assert [line for line in found if "…" in line] == (
        [f"  … {more} more: `broken-convnets show shape/pair --json` has all"] if more else []
    )
    assert f"conv{layers - 1} " in found[-1]


@pytest.mark.parametrize(("count", "shown", "more"), [(5, 5, ""), (8, 5, "… 3 more: ")])
def test_at_most_five_other_wordings_are_shown(count: int, shown: int, more: str) -> None:
    text = _shown(_case(other_messages=_others(count)))
    assert text.count("RuntimeError: wording") == shown
    assert ("…" in text) == bool(more)
    assert more in text


def test_a_control_shows_its_claim_before_its_program() -> None:
    shown = _shown(control_of(Solo())).splitlines()
    headings = ["Claim", "What is true", "The program", "Reports", "Run it"]
    assert [line for line in shown if line in headings] == headings
    assert "  python corpus/controls/shape/solo.py" in shown


def test_a_path_outside_the_working_directory_is_absolute() -> None:
    stream = io.StringIO()
    Console(file=stream, width=200).print(page(_case(), Path("/far/corpus")))
    assert "  python /far/corpus/cases/shape/pair.py\n" in stream.getvalue()
