"""Diagnoses as JSON lines: whole ones with their `id`, or patches as SWE-bench has them.

A line of the second kind is {"instance_id": …, "model_name_or_path": …, "model_patch": …}:
a patch flags its program and is the fix, an empty one says that nothing is wrong.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.protocol import Diagnosis, Finding, ProtocolError, Status
from broken_convnets.commands.score.protocol import read as read_diagnosis
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs import Program

SIZE = 64 << 20  # bytes
UNTOLD = "the predictions say nothing of it"
FORMS = 'give a diagnosis with "id" and "status", or "instance_id" with "model_patch"'


class Patch(Struct, frozen=True):
    """A prediction of SWE-bench; what else it has is skipped."""

    instance_id: str
    model_patch: str | None
    model_name_or_path: str = ""


class _Key(Struct, frozen=True):
    """What tells the two kinds of line apart."""

    instance_id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def read(path: Path, programs: Sequence[Program]) -> dict[str, Diagnosis]:
    """Return what a file of predictions says of each program, by id.

    A program without a line is `unsupported`. Raises UsageError, with the line, for what is
    no prediction, for an id that no program has, and for one that comes twice.
    """
    known = {program.id for program in programs}
    found: dict[str, Diagnosis] = {}
    first: dict[str, int] = {}
    for number, line in _lines(path):
        diagnosis = _diagnosis(path, number, line)
        name = diagnosis.id
        if name not in known:
            raise _wrong(
                path,
                number,
                f"no program has the id {name[:40]!r}: "
                "name the --seed and the cases with which the programs were written",
            )
        if name in found:
            raise _wrong(path, number, f"{name} is in line {first[name]} already: keep one")
        found[name], first[name] = diagnosis, number
    if not found:
        message = f"{path} has no prediction: each line is one, as JSON; {FORMS}"
        raise UsageError(message)
    untold = Diagnosis(Status.UNSUPPORTED, reason=UNTOLD)
    return {program.id: found.get(program.id, untold) for program in programs}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not empty, and their numbers from 1."""
    try:
        if path.stat().st_size > SIZE:
            message = f"{path} is larger than {SIZE >> 20} MiB: a line is one short diagnosis"
            raise UsageError(message)
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise UsageError(message) from None
    lines = data.split(b"\n")
    yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _diagnosis(path: Path, number: int, line: bytes) -> Diagnosis:
    """Return what a line says, with the id of its program."""
    try:
        if msgspec.json.decode(line, type=_Key).instance_id is msgspec.UNSET:
            return read_diagnosis(line)
        return _of_patch(msgspec.json.decode(line, type=Patch))
    except (msgspec.DecodeError, UnicodeDecodeError, ProtocolError) as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    raise _wrong(path, number, f"{reason}: {FORMS}")


def _of_patch(patch: Patch) -> Diagnosis:
    text = patch.model_patch or ""
    if not text.strip():
        return Diagnosis(Status.CLEAN, id=patch.instance_id)
    finding = Finding("a patch is given", fix=text)
    return Diagnosis(Status.FLAGGED, [finding], id=patch.instance_id)


def _wrong(path: Path, number: int, reason: str) -> UsageError:
    return UsageError(f"{path}, line {number}: {reason}")
