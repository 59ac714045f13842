"""Programs with a known ground truth, and tools with a known score: plain functions."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import msgspec
from broken_convnets.commands.score.programs.program import CorpusProgram, GroundTruth, ProgramRole
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Severity,
    Status,
)
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    FakeTool = Callable[[CorpusProgram], Diagnosis]

STAGES = (Stage.FORWARD, Stage.RUN, Stage.SILENT, Stage.BUILD)  # in turn
TOPICS = ("shape", "loss", "none")
CAUSE, SYMPTOM = 7, 12
CLEAN = Diagnosis(Status.CLEAN)
DECLINED = Diagnosis(Status.UNSUPPORTED, reason="not supported")
FAILED = Diagnosis(Status.ERROR, reason="crashed")


def programs(cases: int, controls: int = 0, variants: int = 0) -> list[CorpusProgram]:
    """Return pairs and controls with variants; the number of a case determines its truth."""
    return [
        program
        for variant in range(variants + 1)
        for number in range(max(cases, controls))
        for program in _entry(number, variant, paired=number < cases, control=number < controls)
    ]


def _entry(number: int, variant: int, *, paired: bool, control: bool) -> Iterable[CorpusProgram]:
    topic = TOPICS[number % len(TOPICS)]
    if paired:
        name = f"{topic}/case_{number:03}"
        yield _program(name, ProgramRole.BROKEN, variant, truth(number, topic))
        yield _program(name, ProgramRole.FIXED, variant)
    if control:
        yield _program(f"{topic}/control_{number:03}", ProgramRole.CONTROL, variant)


def _program(
    entry: str, side: ProgramRole, variant: int, known: GroundTruth | None = None
) -> CorpusProgram:
    opaque = hashlib.blake2b(f"{entry}/{side}/{variant}".encode(), digest_size=6).hexdigest()
    return CorpusProgram(opaque, entry, side, variant, "", known)


def truth(number: int, topic: str) -> GroundTruth:
    """Return the ground truth of a broken program."""
    stage = STAGES[number % len(STAGES)]
    raises = stage is not Stage.SILENT
    return GroundTruth(
        stage=stage,
        kinds=(f"{topic}/kind", f"{topic}/other_kind"),
        cause=frozenset({CAUSE, CAUSE + 1}),
        symptom=frozenset({SYMPTOM} if raises else ()),
        layer="conv" if stage is Stage.FORWARD else None,
    )


def ask(tool: FakeTool, of: Iterable[CorpusProgram]) -> list[ToolResult]:
    """Return the results of a tool; its fix works if it is "correct"."""
    return [ToolResult(program, found := tool(program), 0.5, _repaired(found)) for program in of]


def _repaired(found: Diagnosis) -> bool | None:
    fix = next((one.fix for one in found.findings if one.fix), None)
    return None if fix is None else fix == "correct"


def finding(message: str = "no", line: int | None = None, **other: object) -> Finding:
    """Return a finding, located at `line` if it is not None."""
    where = Location(line, LocationRole.CAUSE) if line else None
    return msgspec.structs.replace(Finding(message, location=where), **other)


def flag(*found: Finding) -> Diagnosis:
    """Return a diagnosis that flags the program."""
    return Diagnosis(Status.FLAGGED, list(found) or [finding()])


def flags_everything(_: CorpusProgram) -> Diagnosis:
    """Flag every program with the same message."""
    return flag()


def flags_nothing(_: CorpusProgram) -> Diagnosis:
    """Flag no program."""
    return CLEAN


def declines_everything(_: CorpusProgram) -> Diagnosis:
    """Decline every program."""
    return DECLINED


def always_fails(_: CorpusProgram) -> Diagnosis:
    """Fail on every program."""
    return FAILED


def line_one(_: CorpusProgram) -> Diagnosis:
    """Flag line 1 of every program, like a tool that did not determine the location."""
    return flag(finding(line=1))


def warns(program: CorpusProgram) -> Diagnosis:
    """Warn about every program; the status of broken programs is flagged without an error."""
    found = [finding(severity=Severity.WARNING)]
    return Diagnosis(Status.FLAGGED if program.truth else Status.CLEAN, found)


def oracle(program: CorpusProgram) -> Diagnosis:
    """Answer with the ground truth."""
    known = program.truth
    if known is None:
        return CLEAN
    return flag(
        finding(line=min(known.cause), kind=known.kinds[0], module=known.layer, fix="correct")
    )


def traceback(program: CorpusProgram) -> Diagnosis:
    """Flag every program that raises, at the line that raises."""
    known = program.truth
    if known is None or known.silent:
        return CLEAN
    return flag(finding(line=min(known.symptom), module=known.layer))


def memorized(program: CorpusProgram) -> Diagnosis:
    """Answer with the ground truth for originals, and with clean for variants."""
    return CLEAN if program.variant else oracle(program)


def coin(chance: float, seed: int) -> FakeTool:
    """Return a tool that flags at random."""
    draw = random.Random(seed)  # noqa: S311  (no secret)
    return lambda _: flag() if draw.random() < chance else CLEAN


def guesses_one_of_pair(seed: int) -> FakeTool:
    """Return a tool that flags one random program of each pair, and about half of the controls."""

    def tool(program: CorpusProgram) -> Diagnosis:
        heads = random.Random(f"{seed}/{program.entry}").random() < 0.5  # noqa: S311  (no secret)
        return flag() if heads == (program.role is ProgramRole.BROKEN) else CLEAN

    return tool
