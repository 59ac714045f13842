"""Save the answers of a tool as they arrive, so that an interrupted run can resume."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import Diagnosis
from broken_convnets.util.cache import folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.programs.program import CorpusProgram


class SavedAnswer(Struct, frozen=True):
    """One line of a checkpoint file."""

    program: tuple[str, str, int]  # `CorpusProgram.key`; ids differ in every run
    diagnosis: Diagnosis
    seconds: float


class Checkpoint:
    """The saved answers of one configuration; another configuration has another file."""

    def __init__(self, configuration: object, programs: Iterable[CorpusProgram]) -> None:
        """Find the file of `configuration`, any value that JSON can represent, and programs."""
        self._programs = {program.key: program for program in programs}
        texts = [(*program.key, program.source) for program in self._programs.values()]
        text = msgspec.json.encode([configuration, sorted(texts)])
        name = hashlib.blake2b(text, digest_size=12).hexdigest()
        self._path = folder("score") / f"{name}.jsonl"

    def load(self) -> list[ToolResult]:
        """Return the saved results; an incomplete line is ignored."""
        results = {}
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                saved = msgspec.json.decode(line, type=SavedAnswer)
            except msgspec.DecodeError:
                continue
            if saved.program in self._programs:
                program = self._programs[saved.program]
                results[saved.program] = ToolResult(program, saved.diagnosis, saved.seconds)
        return list(results.values())

    def add(self, result: ToolResult) -> None:
        """Append one result."""
        line = SavedAnswer(result.program.key, result.diagnosis, result.seconds)
        with self._path.open("ab") as stream:
            stream.write(msgspec.json.encode(line) + b"\n")

    def delete(self) -> None:
        """Delete the file, because the run is complete."""
        self._path.unlink(missing_ok=True)
