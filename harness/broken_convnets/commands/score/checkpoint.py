"""Keep what a tool has said so far, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.protocol import Diagnosis
from broken_convnets.commands.score.result import Result
from broken_convnets.util.cache import folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.programs import Program


class Line(Struct, frozen=True):
    """One answer, as a line of the file."""

    id: str
    diagnosis: Diagnosis
    seconds: float


class Unfinished:
    """The answers of a run that is not complete; those of another configuration are not seen."""

    def __init__(self, configuration: object, programs: Iterable[Program]) -> None:
        """Open the store for a configuration, anything that JSON can hold, and its programs."""
        self._programs = {program.id: program for program in programs}
        texts = [program.id + program.source for program in self._programs.values()]
        text = msgspec.json.encode([configuration, sorted(texts)])
        name = hashlib.blake2b(text, digest_size=12).hexdigest()
        self._path = folder("score") / f"{name}.jsonl"

    def known(self) -> list[Result]:
        """Return the results that are there; a line that is cut off is none."""
        found = {}
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                kept = msgspec.json.decode(line, type=Line)
            except msgspec.DecodeError:
                continue
            if kept.id in self._programs:
                found[kept.id] = Result(self._programs[kept.id], kept.diagnosis, kept.seconds)
        return list(found.values())

    def add(self, result: Result) -> None:
        """Keep one more."""
        line = Line(result.program.id, result.diagnosis, result.seconds)
        with self._path.open("ab") as stream:
            stream.write(msgspec.json.encode(line) + b"\n")

    def finish(self) -> None:
        """Forget: the run is complete."""
        self._path.unlink(missing_ok=True)
