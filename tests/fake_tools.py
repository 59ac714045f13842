"""Programs with a known truth, and tools whose score is known beforehand: plain functions."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import msgspec
from broken_convnets.commands.score.programs.program import CorpusProgram, GroundTruth, ProgramRole
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Location, LocationRole, Severity, Status
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    FakeTool = Callable[[CorpusProgram], Diagnosis]

STAGES = (Stage.FORWARD, Stage.RUN, Stage.SILENT, Stage.BUILD)  # by turns
TOPICS = ("shape", "loss", "none")
CAUSE, SYMPTOM = 7, 12
CLEAN = Diagnosis(Status.CLEAN)
DECLINED = Diagnosis(Status.UNSUPPORTED, reason="not of its kind")
FAILED = Diagnosis(Status.ERROR, reason="it broke down")


def programs(cases: int, controls: int = 0, variants: int = 0) -> list[CorpusProgram]:
    """Return pairs and controls, each with its variants; a case's number gives its truth."""
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


def _program(entry: str, side: ProgramRole, variant: int, known: GroundTruth | None = None) -> CorpusProgram:
    opaque = hashlib.blake2b(f"{entry}/{side}/{variant}".encode(), digest_size=6).hexdigest()
    return CorpusProgram(opaque, entry, side, variant, "", known)


def truth(number: int, topic: str) -> GroundTruth:
    """Return what is known of a broken program."""
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
    """Return what a tool answers; it mends a program where its fix is "right"."""
    return [ToolResult(program, found := tool(program), 0.5, _repaired(found)) for program in of]


def _repaired(found: Diagnosis) -> bool | None:
    fix = next((one.fix for one in found.findings if one.fix), None)
    return None if fix is None else fix == "right"


def finding(message: str = "no", line: int | None = None, **other: object) -> Finding:
    """Return a finding, at a line if one is given."""
    where = Location(line, LocationRole.CAUSE) if line else None
    return msgspec.structs.replace(Finding(message, location=where), **other)


def flag(*found: Finding) -> Diagnosis:
    """Return a diagnosis of something wrong."""
    return Diagnosis(Status.FLAGGED, list(found) or [finding()])


def always_yes(_: CorpusProgram) -> Diagnosis:
    """Flag everything, with the same words."""
    return flag()


def always_no(_: CorpusProgram) -> Diagnosis:
    """Flag nothing."""
    return CLEAN


def unsupported(_: CorpusProgram) -> Diagnosis:
    """Decline everything."""
    return DECLINED


def breaks_down(_: CorpusProgram) -> Diagnosis:
    """Fail on everything."""
    return FAILED


def line_one(_: CorpusProgram) -> Diagnosis:
    """Flag line 1 of everything, as a tool does that did not work out the place."""
    return flag(finding(line=1))


def warns(program: CorpusProgram) -> Diagnosis:
    """Warn of everything; flag nothing, though of broken programs it says so."""
    found = [finding(severity=Severity.WARNING)]
    return Diagnosis(Status.FLAGGED if program.truth else Status.CLEAN, found)


def oracle(program: CorpusProgram) -> Diagnosis:
    """Know the answer key."""
    known = program.truth
    if known is None:
        return CLEAN
    return flag(
        finding(line=min(known.cause), kind=known.kinds[0], module=known.layer, fix="right")
    )


def traceback(program: CorpusProgram) -> Diagnosis:
    """Flag what raises, where it raises."""
    known = program.truth
    if known is None or known.silent:
        return CLEAN
    return flag(finding(line=min(known.symptom), module=known.layer))


def learned_by_heart(program: CorpusProgram) -> Diagnosis:
    """Know the answer key of the corpus' own programs, and of no variant."""
    return CLEAN if program.variant else oracle(program)


def coin(chance: float, seed: int) -> FakeTool:
    """Return a tool that flags at random."""
    draw = random.Random(seed)  # noqa: S311  (no secret)
    return lambda _: flag() if draw.random() < chance else CLEAN


def one_of_two(seed: int) -> FakeTool:
    """Return a tool that flags one side of each pair, either one, and every other control."""

    def tool(program: CorpusProgram) -> Diagnosis:
        heads = random.Random(f"{seed}/{program.entry}").random() < 0.5  # noqa: S311  (no secret)
        return flag() if heads == (program.side is ProgramRole.BROKEN) else CLEAN

    return tool
