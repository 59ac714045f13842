"""What a tool said is kept, compared, and a loss is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.commands.score import baseline, leaderboard, scoreboard_page
from broken_convnets.commands.score.baseline import Said, ToolBook
from broken_convnets.commands.score.credit import Credit, credits_of
from broken_convnets.commands.score.programs import Program, Side, Truth, is_here, sides
from broken_convnets.commands.score.protocol import (
    Diagnosis,
    Finding,
    Location,
    Need,
    Role,
    Severity,
    Status,
    failed,
)
from broken_convnets.commands.score.result import Result
from broken_convnets.corpus.entries import default_root, load
from broken_convnets.errors import RecordError
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "one\ntwo\nthree\n"
TRUTH = Truth(Stage.FORWARD, ("none/missing_return",), frozenset({2}), frozenset({3}), "fc")
POINTS = Finding(
    "2 is None at net.py",
    kind="none/missing_return",
    rule="N1",
    module="fc",
    location=Location(2, Role.CAUSE),
)


def _result(side: Side, diagnosis: Diagnosis, stage: Stage = Stage.FORWARD) -> Result:
    truth = Truth(stage, TRUTH.kinds, TRUTH.cause, TRUTH.symptom, TRUTH.layer)
    known = truth if side is Side.BROKEN else None
    return Result(Program("0" * 12, "none/a", side, 0, SOURCE, known), diagnosis, 0.1)


def _said(*results: Result) -> dict[str, dict[Side, Said]]:
    return baseline.programs_said(results, [Need.SOURCE])


FOUND = _result(Side.BROKEN, Diagnosis(Status.FLAGGED, [POINTS]))
QUIET = _result(Side.FIXED, Diagnosis(Status.CLEAN))


def test_credit_is_given_for_what_is_right_and_for_nothing_else() -> None:
    assert credits_of(FOUND, {Need.SOURCE}) == {
        Credit.ANSWERS,
        Credit.FLAGS,
        Credit.PLACES,
        Credit.MODULE,
        Credit.NAMES,
    }
    assert credits_of(QUIET, {Need.SOURCE}) == {Credit.ANSWERS, Credit.QUIET}
    alarm = _result(Side.FIXED, Diagnosis(Status.FLAGGED, [POINTS]))
    assert credits_of(alarm, {Need.SOURCE}) == {Credit.ANSWERS}
    assert credits_of(_result(Side.FIXED, failed("died")), {Need.SOURCE}) == set()


@pytest.mark.parametrize("stage", [Stage.IMPORT, Stage.BUILD, Stage.INPUTS])
def test_no_credit_where_the_program_fails_before_the_tool_sees_it(stage: Stage) -> None:
    early = _result(Side.BROKEN, Diagnosis(Status.FLAGGED, [POINTS]), stage)
    assert Credit.FLAGS not in credits_of(early, {Need.MODEL})
    assert Credit.FLAGS in credits_of(early, {Need.SOURCE})
    assert Credit.FLAGS in credits_of(early, {Need.RUN})


def test_a_warning_is_no_alarm() -> None:
    warning = msgspec.structs.replace(POINTS, severity=Severity.WARNING)
    mild = _result(Side.BROKEN, Diagnosis(Status.FLAGGED, [warning]))
    assert credits_of(mild, {Need.SOURCE}) == {Credit.ANSWERS}


def test_a_book_is_read_as_it_was_written(tmp_path: Path) -> None:
    now = _said(FOUND, QUIET)
    made = ToolBook("t", "1", [Need.SOURCE], [], "2.14.1", baseline.misses(now), now)
    path = tmp_path / "tools" / "t.toml"
    baseline.write(path, made)
    first = path.read_bytes()
    assert baseline.read(path) == made
    baseline.write(path, made)
    assert path.read_bytes() == first
    assert baseline.read(tmp_path / "none.toml") is None
    path.write_text(path.read_text().replace("flagged", "perhaps"))
    with pytest.raises(RecordError, match=r"t\.toml is not a tool's results .* record anew"):
        baseline.read(path)


def _recorded(now: dict[str, dict[Side, Said]]) -> ToolBook:
    return ToolBook("t", "1", [Need.SOURCE], [], "2.14.1", baseline.misses(now), now)


def test_a_loss_is_named_and_a_gain_is_none() -> None:
    blind = _result(Side.BROKEN, Diagnosis(Status.CLEAN))
    then, now = _recorded(_said(FOUND, QUIET)), _said(blind, QUIET)
    assert [str(change) for change in baseline.lost(then, now)] == [
        "none/a broken: no longer flags it",
        "none/a broken: no longer names the layer",
        "none/a broken: no longer names the kind of mistake",
        "none/a broken: no longer points at the line to change",
    ]
    assert baseline.gained(then, now) == []
    assert baseline.lost(_recorded(now), _said(FOUND, QUIET)) == []


def test_a_new_false_alarm_is_a_loss() -> None:
    loud = _result(Side.FIXED, Diagnosis(Status.FLAGGED, [POINTS]))
    (change,) = baseline.lost(_recorded(_said(FOUND, QUIET)), _said(FOUND, loud))
    assert str(change) == "none/a fixed: no longer is quiet about it"


def test_an_expected_miss_that_is_found_is_stale_and_only_if_it_was_asked_about() -> None:
    blind = _result(Side.BROKEN, Diagnosis(Status.CLEAN))
    then = _recorded(_said(blind, QUIET))
    assert then.misses == ["none/a broken"]
    assert baseline.stale(then, _said(FOUND, QUIET)) == ["none/a broken"]
    assert baseline.stale(then, _said(QUIET)) == []
    assert baseline.stale(then, _said(blind, QUIET)) == []


def test_what_a_book_keeps_gives_the_same_score() -> None:
    results = [FOUND, QUIET, _result(Side.CONTROL, failed("died"))]
    again = baseline.results_of(_recorded(_said(*results)), [result.program for result in results])
    assert baseline.programs_said(again, [Need.SOURCE]) == _said(*results)


def test_the_page_is_what_the_books_of_the_corpus_make() -> None:
    corpus = load(default_root())
    books = sorted((corpus.root / "results" / "tools").glob("*.toml"))
    kept = (corpus.root / leaderboard.PAGE).read_text(encoding="utf-8")
    assert kept == scoreboard_page.text(corpus), (
        "record a tool anew: broken-convnets score TOOL --update"
    )
    assert len(books) > 10


def test_no_book_speaks_of_a_program_that_is_not_there() -> None:
    corpus = load(default_root())
    for path in (corpus.root / "results" / "tools").glob("*.toml"):
        kept = baseline.read(path)
        assert kept is not None
        here = {
            (entry.id, side)
            for entry in corpus.entries.values()
            if is_here(entry, kept.torch)
            for side, _ in sides(entry)
        }
        told = {(entry, side) for entry, both in kept.programs.items() for side in both}
        assert told <= here, f"{path.name}: record it anew"
