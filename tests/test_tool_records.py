"""The answers of a tool are recorded and compared, and a regression is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.commands.score import leaderboard, record, regressions
from broken_convnets.commands.score.metrics.credit import Credit, credits_of
from broken_convnets.commands.score.programs.program import (
    CorpusProgram,
    GroundTruth,
    ProgramRole,
    applies_to,
    sources_of,
)
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Need,
    Severity,
    Status,
)
from broken_convnets.commands.score.protocol.validation import error_diagnosis
from broken_convnets.commands.score.record import RecordedAnswer, ToolRecord
from broken_convnets.corpus.entries import default_root
from broken_convnets.errors import RecordError
from broken_convnets.vocabulary import Stage
from kit import our_corpus

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = default_root() / "results" / "tools"
SOURCE = "one\ntwo\nthree\n"
TRUTH = GroundTruth(Stage.FORWARD, ("none/missing_return",), frozenset({2}), frozenset({3}), "fc")
FINDING = Finding(
    "2 is None at net.py",
    kind="none/missing_return",
    rule="N1",
    module="fc",
    location=Location(2, LocationRole.CAUSE),
)


def _result(role: ProgramRole, diagnosis: Diagnosis, stage: Stage = Stage.FORWARD) -> ToolResult:
    truth = GroundTruth(stage, TRUTH.kinds, TRUTH.cause, TRUTH.symptom, TRUTH.layer)
    known = truth if role is ProgramRole.BROKEN else None
    return ToolResult(CorpusProgram("0" * 12, "none/a", role, 0, SOURCE, known), diagnosis, 0.1)


def _answers(*results: ToolResult) -> dict[str, dict[ProgramRole, RecordedAnswer]]:
    return record.recorded_answers(results, [Need.SOURCE])


FLAGGED = _result(ProgramRole.BROKEN, Diagnosis(Status.FLAGGED, [FINDING]))
CLEAN = _result(ProgramRole.FIXED, Diagnosis(Status.CLEAN))


def test_only_correct_statements_earn_credit() -> None:
    assert credits_of(FLAGGED, {Need.SOURCE}) == {
        Credit.ANSWERED,
        Credit.DETECTED,
        Credit.LOCATED,
        Credit.LAYER_NAMED,
        Credit.CLASSIFIED,
    }
    assert credits_of(CLEAN, {Need.SOURCE}) == {Credit.ANSWERED, Credit.SILENT_ON_FIXED}
    alarm = _result(ProgramRole.FIXED, Diagnosis(Status.FLAGGED, [FINDING]))
    assert credits_of(alarm, {Need.SOURCE}) == {Credit.ANSWERED}
    assert credits_of(_result(ProgramRole.FIXED, error_diagnosis("died")), {Need.SOURCE}) == set()


@pytest.mark.parametrize("stage", [Stage.IMPORT, Stage.BUILD, Stage.INPUTS])
def test_a_program_that_fails_before_the_tool_examines_it_earns_no_credit(stage: Stage) -> None:
    early = _result(ProgramRole.BROKEN, Diagnosis(Status.FLAGGED, [FINDING]), stage)
    assert Credit.DETECTED not in credits_of(early, {Need.MODEL})
    assert Credit.DETECTED in credits_of(early, {Need.SOURCE})
    assert Credit.DETECTED in credits_of(early, {Need.RUN})


def test_a_warning_is_not_an_alarm() -> None:
    warning = msgspec.structs.replace(FINDING, severity=Severity.WARNING)
    warned = _result(ProgramRole.BROKEN, Diagnosis(Status.FLAGGED, [warning]))
    assert credits_of(warned, {Need.SOURCE}) == {Credit.ANSWERED}


def test_a_record_survives_a_round_trip(tmp_path: Path) -> None:
    now = _answers(FLAGGED, CLEAN)
    made = ToolRecord("t", "1", [Need.SOURCE], [], "2.14.1", record.misses(now), now)
    path = tmp_path / "tools" / "t.toml"
    record.write_record(path, made)
    first = path.read_bytes()
    assert record.read_record(path) == made
    record.write_record(path, made)
    assert path.read_bytes() == first
    assert record.read_record(tmp_path / "none.toml") is None
    path.write_text(path.read_text().replace("flagged", "perhaps"))
    with pytest.raises(
        RecordError, match=r"t\.toml: .*; delete the file, or record the tool again"
    ):
        record.read_record(path)


def _recorded(now: dict[str, dict[ProgramRole, RecordedAnswer]]) -> ToolRecord:
    return ToolRecord("t", "1", [Need.SOURCE], [], "2.14.1", record.misses(now), now)


def test_lost_and_gained_credits_are_listed() -> None:
    blind = _result(ProgramRole.BROKEN, Diagnosis(Status.CLEAN))
    then, now = _recorded(_answers(FLAGGED, CLEAN)), _answers(blind, CLEAN)
    assert [str(change) for change in regressions.lost(then, now)] == [
        "none/a broken: no longer names the kind of mistake",
        "none/a broken: no longer flags the program",
        "none/a broken: no longer names the layer that raises or contains the mistake",
        "none/a broken: no longer points at the line to change",
    ]
    assert regressions.gained(then, now) == []
    assert regressions.lost(_recorded(now), _answers(FLAGGED, CLEAN)) == []


def test_a_new_false_positive_is_a_loss() -> None:
    loud = _result(ProgramRole.FIXED, Diagnosis(Status.FLAGGED, [FINDING]))
    (change,) = regressions.lost(_recorded(_answers(FLAGGED, CLEAN)), _answers(FLAGGED, loud))
    assert str(change) == "none/a fixed: no longer reports the healthy program as clean"


def test_a_recorded_miss_that_is_found_is_outdated() -> None:
    blind = _result(ProgramRole.BROKEN, Diagnosis(Status.CLEAN))
    then = _recorded(_answers(blind, CLEAN))
    assert then.misses == ["none/a broken"]
    assert regressions.outdated_misses(then, _answers(FLAGGED, CLEAN)) == ["none/a broken"]
    assert regressions.outdated_misses(then, _answers(CLEAN)) == []
    assert regressions.outdated_misses(then, _answers(blind, CLEAN)) == []


def test_a_record_reproduces_the_credits() -> None:
    results = [FLAGGED, CLEAN, _result(ProgramRole.CONTROL, error_diagnosis("died"))]
    again = record.recorded_results(
        _recorded(_answers(*results)), [result.program for result in results]
    )
    assert record.recorded_answers(again, [Need.SOURCE]) == _answers(*results)


def test_the_leaderboard_is_up_to_date() -> None:
    corpus = our_corpus()
    records = sorted(FOLDER.glob("*.toml"))
    assert len(records) > 10
    written = (FOLDER / leaderboard.PAGE).read_text(encoding="utf-8")
    message = "update it: broken-convnets score TOOL --update"
    assert written == leaderboard.leaderboard(corpus, FOLDER), message


def test_records_name_only_existing_programs() -> None:
    corpus = our_corpus()
    for path in FOLDER.glob("*.toml"):
        recorded = record.read_record(path)
        assert recorded is not None
        existing = {
            (entry.id, role)
            for entry in corpus.entries.values()
            if applies_to(entry, recorded.torch)
            for role in sources_of(entry)
        }
        named = {(entry, role) for entry, roles in recorded.programs.items() for role in roles}
        assert named <= existing, f"{path.name}: record the tool again"
