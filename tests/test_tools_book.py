"""What a tool said is kept, compared, and a loss is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.commands.score import leaderboard, record, regressions
from broken_convnets.commands.score.record import RecordedAnswer, ToolRecord
from broken_convnets.commands.score.metrics.credit import Credit, credits
from broken_convnets.commands.score.programs.program import CorpusProgram, GroundTruth, ProgramRole, applies_to, sources_of
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Location, LocationRole, Need, Severity, Status
from broken_convnets.commands.score.protocol.validation import error_diagnosis
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.corpus.entries import default_root, load
from broken_convnets.errors import RecordError
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "one\ntwo\nthree\n"
TRUTH = GroundTruth(Stage.FORWARD, ("none/missing_return",), frozenset({2}), frozenset({3}), "fc")
POINTS = Finding(
    "2 is None at net.py",
    kind="none/missing_return",
    rule="N1",
    module="fc",
    location=Location(2, LocationRole.CAUSE),
)


def _result(side: ProgramRole, diagnosis: Diagnosis, stage: Stage = Stage.FORWARD) -> ToolResult:
    truth = GroundTruth(stage, TRUTH.kinds, TRUTH.cause, TRUTH.symptom, TRUTH.layer)
    known = truth if side is ProgramRole.BROKEN else None
    return ToolResult(CorpusProgram("0" * 12, "none/a", side, 0, SOURCE, known), diagnosis, 0.1)


def _said(*results: ToolResult) -> dict[str, dict[ProgramRole, RecordedAnswer]]:
    return record.recorded_programs(results, [Need.SOURCE])


FOUND = _result(ProgramRole.BROKEN, Diagnosis(Status.FLAGGED, [POINTS]))
QUIET = _result(ProgramRole.FIXED, Diagnosis(Status.CLEAN))


def test_credit_is_given_for_what_is_right_and_for_nothing_else() -> None:
    assert credits(FOUND, {Need.SOURCE}) == {
        Credit.ANSWERS,
        Credit.FLAGS,
        Credit.PLACES,
        Credit.MODULE,
        Credit.NAMES,
    }
    assert credits(QUIET, {Need.SOURCE}) == {Credit.ANSWERS, Credit.QUIET}
    alarm = _result(ProgramRole.FIXED, Diagnosis(Status.FLAGGED, [POINTS]))
    assert credits(alarm, {Need.SOURCE}) == {Credit.ANSWERS}
    assert credits(_result(ProgramRole.FIXED, error_diagnosis("died")), {Need.SOURCE}) == set()


@pytest.mark.parametrize("stage", [Stage.IMPORT, Stage.BUILD, Stage.INPUTS])
def test_no_credit_where_the_program_fails_before_the_tool_sees_it(stage: Stage) -> None:
    early = _result(ProgramRole.BROKEN, Diagnosis(Status.FLAGGED, [POINTS]), stage)
    assert Credit.FLAGS not in credits(early, {Need.MODEL})
    assert Credit.FLAGS in credits(early, {Need.SOURCE})
    assert Credit.FLAGS in credits(early, {Need.RUN})


def test_a_warning_is_no_alarm() -> None:
    warning = msgspec.structs.replace(POINTS, severity=Severity.WARNING)
    mild = _result(ProgramRole.BROKEN, Diagnosis(Status.FLAGGED, [warning]))
    assert credits(mild, {Need.SOURCE}) == {Credit.ANSWERS}


def test_a_book_is_read_as_it_was_written(tmp_path: Path) -> None:
    now = _said(FOUND, QUIET)
    made = ToolRecord("t", "1", [Need.SOURCE], [], "2.14.1", record.misses(now), now)
    path = tmp_path / "tools" / "t.toml"
    record.write_record(path, made)
    first = path.read_bytes()
    assert record.read_record(path) == made
    record.write_record(path, made)
    assert path.read_bytes() == first
    assert record.read_record(tmp_path / "none.toml") is None
    path.write_text(path.read_text().replace("flagged", "perhaps"))
    with pytest.raises(RecordError, match=r"t\.toml is not a tool's results .* record anew"):
        record.read_record(path)


def _recorded(now: dict[str, dict[ProgramRole, RecordedAnswer]]) -> ToolRecord:
    return ToolRecord("t", "1", [Need.SOURCE], [], "2.14.1", record.misses(now), now)


def test_a_loss_is_named_and_a_gain_is_none() -> None:
    blind = _result(ProgramRole.BROKEN, Diagnosis(Status.CLEAN))
    then, now = _recorded(_said(FOUND, QUIET)), _said(blind, QUIET)
    assert [str(change) for change in regressions.lost(then, now)] == [
        "none/a broken: no longer flags it",
        "none/a broken: no longer names the layer",
        "none/a broken: no longer names the kind of mistake",
        "none/a broken: no longer points at the line to change",
    ]
    assert regressions.gained(then, now) == []
    assert regressions.lost(_recorded(now), _said(FOUND, QUIET)) == []


def test_a_new_false_alarm_is_a_loss() -> None:
    loud = _result(ProgramRole.FIXED, Diagnosis(Status.FLAGGED, [POINTS]))
    (change,) = regressions.lost(_recorded(_said(FOUND, QUIET)), _said(FOUND, loud))
    assert str(change) == "none/a fixed: no longer is quiet about it"


def test_an_expected_miss_that_is_found_is_stale_and_only_if_it_was_asked_about() -> None:
    blind = _result(ProgramRole.BROKEN, Diagnosis(Status.CLEAN))
    then = _recorded(_said(blind, QUIET))
    assert then.misses == ["none/a broken"]
    assert regressions.stale(then, _said(FOUND, QUIET)) == ["none/a broken"]
    assert regressions.stale(then, _said(QUIET)) == []
    assert regressions.stale(then, _said(blind, QUIET)) == []


def test_what_a_book_keeps_gives_the_same_score() -> None:
    results = [FOUND, QUIET, _result(ProgramRole.CONTROL, error_diagnosis("died"))]
    again = record.recorded_results(_recorded(_said(*results)), [result.program for result in results])
    assert record.recorded_programs(again, [Need.SOURCE]) == _said(*results)


def test_the_page_is_what_the_books_of_the_corpus_make() -> None:
    corpus = load(default_root())
    books = sorted((corpus.root / "results" / "tools").glob("*.toml"))
    kept = (corpus.root / leaderboard.PAGE).read_text(encoding="utf-8")
    assert kept == leaderboard.page_of_records(corpus), (
        "record a tool anew: broken-convnets score TOOL --update"
    )
    assert len(books) > 10


def test_no_book_speaks_of_a_program_that_is_not_there() -> None:
    corpus = load(default_root())
    for path in (corpus.root / "results" / "tools").glob("*.toml"):
        kept = record.read_record(path)
        assert kept is not None
        here = {
            (entry.id, side)
            for entry in corpus.entries.values()
            if applies_to(entry, kept.torch)
            for side, _ in sources_of(entry)
        }
        told = {(entry, side) for entry, both in kept.programs.items() for side in both}
        assert told <= here, f"{path.name}: record it anew"
