"""Predictions as JSON lines are read, or rejected with the line number and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.score import predictions
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.programs.program import corpus_programs
from broken_convnets.commands.score.protocol.messages import Diagnosis, Status
from broken_convnets.errors import UsageError
from kit import BROKEN, HEALTHY, Pair, Solo, case_of, control_of

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = corpus_programs([(0, case_of(Pair())), (0, control_of(Solo()))], seed=3)
FIRST, SECOND, THIRD = (program.id for program in PROGRAMS)
PATCH = unified_diff(BROKEN, HEALTHY, "net.py")
FLAGGED = {"id": FIRST, "status": "flagged", "findings": [{"message": "too flat"}]}


def _patched(name: str, patch: str | None) -> dict[str, Any]:
    return {"instance_id": name, "model_name_or_path": "m", "model_patch": patch, "cost": 0.1}


def _read(folder: Path, *lines: object) -> dict[str, Diagnosis]:
    path = folder / "predictions.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_bytes("\n".join(texts).encode(errors="surrogateescape"))
    return predictions.read_predictions(path, PROGRAMS, {"other"})


def test_diagnoses_and_patches_are_read(tmp_path: Path) -> None:
    found = _read(tmp_path, FLAGGED, "", _patched(SECOND, PATCH), _patched(THIRD, ""))
    assert found[FIRST].findings[0].message == "too flat"
    assert found[SECOND].status is Status.FLAGGED
    assert found[SECOND].findings[0].fix == PATCH
    assert found[SECOND].findings[0].location is None
    assert found[THIRD].status is Status.CLEAN


@pytest.mark.parametrize("empty", ["", " \n", None])
def test_an_empty_patch_is_clean(empty: str | None, tmp_path: Path) -> None:
    found = _read(tmp_path, _patched(FIRST, empty))
    assert found[FIRST] == Diagnosis(Status.CLEAN, id=FIRST)


def test_a_program_without_a_line_is_unsupported(tmp_path: Path) -> None:
    found = _read(tmp_path, FLAGGED)
    assert set(found) == {FIRST, SECOND, THIRD}
    assert found[THIRD].status is Status.UNSUPPORTED
    assert "no prediction" in found[THIRD].reason


WRONG = {
    "text": ("it is broken", "line 2: .*malformed.*; expected a diagnosis with"),
    "a list": ([FLAGGED], "line 2: Expected `object`, got `array`"),
    "no id": ({"status": "clean"}, "line 2: unknown id ''"),
    "no status": ({"id": SECOND}, "line 2: invalid diagnosis: .*missing required field `status`"),
    "an unknown status": ({"id": SECOND, "status": "bad"}, "line 2: .*Invalid enum value 'bad'"),
    "an unknown key": ({"id": SECOND, "status": "clean", "sure": 1}, "unknown field `sure`"),
    "no finding": (
        {"id": SECOND, "status": "flagged"},
        "line 2: invalid diagnosis: status is 'flagged' but no",
    ),
    "an unknown kind": (
        {
            "id": SECOND,
            "status": "clean",
            "findings": [{"message": "", "severity": "note", "kind": "x/y"}],
        },
        "line 2: invalid diagnosis: unknown kind 'x/y'",
    ),
    "no patch": ({"instance_id": SECOND}, "line 2: .*missing required field `model_patch`"),
    "a patch of lines": ({"instance_id": SECOND, "model_patch": ["-x"]}, "Expected `str | null`"),
    "an unknown id": ({"id": "cases/none", "status": "clean"}, "line 2: unknown id"),
    "another seed": (_patched("0123456789ab", ""), "'0123456789ab': pass the --key"),
    "an id again": (_patched(FIRST, ""), f"line 2: {FIRST} is already in line 1: keep one"),
    "a number for an id": ({"instance_id": 5, "model_patch": ""}, "line 2: Expected `str`"),
    "not a number": ('{"id": NaN}', "line 2: .*malformed"),
    "cut off": ('{"id": "', "line 2: .*truncated"),
    "not UTF-8": ('{"id": "\udcff"}', "line 2: "),
    "nested deeply": ('{"id": ' + "[" * 100_000, "line 2: .*nested too deeply"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_prediction_is_rejected_with_its_line(name: str, tmp_path: Path) -> None:
    line, reason = WRONG[name]
    with pytest.raises(UsageError, match=reason) as caught:
        _read(tmp_path, FLAGGED, line)
    assert str(caught.value).startswith(f"{tmp_path / 'predictions.jsonl'}, line 2")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_without_predictions_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no predictions: expected a diagnosis"):
        _read(tmp_path, "", "  ")
    with pytest.raises(UsageError, match=r"cannot read .*: No such file"):
        predictions.read_predictions(tmp_path / "nowhere.jsonl", PROGRAMS, {"other"})
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(predictions.SIZE_LIMIT + 1)
    with pytest.raises(UsageError, match="larger than 64 MiB"):
        predictions.read_predictions(tmp_path / "large", PROGRAMS, {"other"})


def test_long_messages_are_cut(tmp_path: Path) -> None:
    long = FLAGGED | {"findings": [{"message": "x" * 10_000}] * 99}
    found = _read(tmp_path, long)
    assert len(found[FIRST].findings) == 50
    assert len(found[FIRST].findings[0].message) == 4_000
