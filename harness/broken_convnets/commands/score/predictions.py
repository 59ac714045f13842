"""Read diagnoses from JSON lines: the protocol's own, or patches in the format of SWE-bench.

A SWE-bench line is {"instance_id": …, "model_name_or_path": …, "model_patch": …}. A patch flags
its program and is the fix. An empty patch means that nothing is wrong.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Status
from broken_convnets.commands.score.protocol.validation import (
    ProtocolError,
    check_kinds,
    decode_diagnosis,
)
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram

SIZE_LIMIT = 64 << 20  # bytes
NO_PREDICTION = "no prediction for this program"
FORMS = 'expected a diagnosis with "id" and "status", or "instance_id" with "model_patch"'


class PatchPrediction(Struct, frozen=True):
    """A prediction in the format of SWE-bench; other keys are ignored."""

    instance_id: str
    model_patch: str | None
    model_name_or_path: str = ""


class _Key(Struct, frozen=True):
    """The key that distinguishes the two formats."""

    instance_id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def read_predictions(
    path: Path, programs: Sequence[CorpusProgram], kinds: Collection[str]
) -> dict[str, Diagnosis]:
    """Return the diagnosis of each program, by id; findings may name only `kinds`.

    A program without a line is `unsupported`. Raises UsageError, with the line number, for an
    invalid line, an unknown id and a repeated id.
    """
    ids = {program.id for program in programs}
    diagnoses: dict[str, Diagnosis] = {}
    line_numbers: dict[str, int] = {}
    for number, line in _lines(path):
        diagnosis = _diagnosis(path, number, line, kinds)
        name = diagnosis.id
        if name not in ids:
            reason = (
                f"unknown id {name[:40]!r}: pass the --key of the programs that this file is about"
            )
            raise _line_error(path, number, reason)
        if name in diagnoses:
            reason = f"{name} is already in line {line_numbers[name]}: keep one line per program"
            raise _line_error(path, number, reason)
        diagnoses[name], line_numbers[name] = diagnosis, number
    if not diagnoses:
        message = f"{path} has no predictions: {FORMS}, one per line"
        raise UsageError(message)
    missing = Diagnosis(Status.UNSUPPORTED, reason=NO_PREDICTION)
    return {program.id: diagnoses.get(program.id, missing) for program in programs}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not empty, with their numbers from 1."""
    try:
        if path.stat().st_size > SIZE_LIMIT:
            message = f"{path} is larger than {SIZE_LIMIT >> 20} MiB: shorten the predictions"
            raise UsageError(message)
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise UsageError(message) from None
    lines = data.split(b"\n")
    yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _diagnosis(path: Path, number: int, line: bytes, kinds: Collection[str]) -> Diagnosis:
    """Return the diagnosis in a line, with the id of its program."""
    try:
        if msgspec.json.decode(line, type=_Key).instance_id is not msgspec.UNSET:
            patch = msgspec.json.decode(line, type=PatchPrediction)
            return diagnosis_of_patch(patch.instance_id, patch.model_patch or "")
        diagnosis = decode_diagnosis(line)
        check_kinds(diagnosis, kinds)
    except (msgspec.DecodeError, UnicodeDecodeError, ProtocolError) as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    else:
        return diagnosis
    raise _line_error(path, number, f"{reason}; {FORMS}")


def diagnosis_of_patch(name: str, patch: str) -> Diagnosis:
    """Return the diagnosis of the program `name` that a patch stands for; an empty one is clean."""
    if not patch.strip():
        return Diagnosis(Status.CLEAN, id=name)
    return Diagnosis(Status.FLAGGED, [Finding("patch", fix=patch)], id=name)


def _line_error(path: Path, number: int, reason: str) -> UsageError:
    return UsageError(f"{path}, line {number}: {reason}")
