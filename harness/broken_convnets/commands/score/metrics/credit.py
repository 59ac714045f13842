"""What a tool got right about one program; every metric is computed from these credits."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.protocol.messages import Need, Severity, Status
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.programs.tool_result import ToolResult
    from broken_convnets.commands.score.protocol.messages import Finding

STAGES_BEFORE_THE_NETWORK = {Stage.IMPORT, Stage.BUILD, Stage.INPUTS}
NEEDS_WITHOUT_A_NETWORK = {Need.SOURCE, Need.ANNOTATIONS, Need.TRACEBACK, Need.RUN}


class Credit(StrEnum):
    """One thing that a tool got right about a program."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> Self:
        """Create a member with the value `name`; `meaning` completes "the tool no longer ..."."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    ANSWERED = ("answered", "returns a diagnosis")
    DETECTED = ("detected", "flags the program")
    LOCATED = ("located", "points at the line to change")
    SYMPTOM_LOCATED = ("symptom_located", "points at the line that raises")
    LAYER_NAMED = ("layer_named", "names the layer that raises or contains the mistake")
    CLASSIFIED = ("classified", "names the kind of mistake")
    FIXED = ("fixed", "offers a working fix")
    SILENT_ON_FIXED = ("silent_on_fixed", "reports the healthy program as clean")


def credits_of(result: ToolResult, needs: Iterable[Need]) -> set[Credit]:
    """Return what a tool with these needs got right about one program."""
    program, diagnosis = result.program, result.diagnosis
    earned: set[Credit] = set()
    if diagnosis.status in {Status.FLAGGED, Status.CLEAN}:
        earned.add(Credit.ANSWERED)
    if program.role is not ProgramRole.BROKEN:
        clean = diagnosis.status is Status.CLEAN
        return earned | ({Credit.SILENT_ON_FIXED} if clean else set())
    raised = alarms(result, needs)
    if not raised:
        return earned
    earned.add(Credit.DETECTED)
    truth = program.truth
    if truth is None:
        return earned
    line, module = first_line(raised), first_module(raised)
    checks = {
        Credit.LOCATED: line in truth.cause,
        Credit.SYMPTOM_LOCATED: line in truth.symptom,
        Credit.LAYER_NAMED: module is not None and module in {truth.layer, *truth.guilty_layers},
        Credit.CLASSIFIED: raised[0].kind in truth.kinds,
        Credit.FIXED: result.fix_works is True,
    }
    return earned | {credit for credit, holds in checks.items() if holds}


def alarms(result: ToolResult, needs: Iterable[Need]) -> tuple[Finding, ...]:
    """Return the findings of severity error that a tool earned itself, best first."""
    if result.diagnosis.status is not Status.FLAGGED or fails_before_tool(result, needs):
        return ()
    return tuple(one for one in result.diagnosis.findings if one.severity is Severity.ERROR)


def fails_before_tool(result: ToolResult, needs: Iterable[Need]) -> bool:
    """Return whether the program fails before a tool that needs the network can examine it.

    The tool cannot have detected such a failure.
    """
    truth = result.program.truth
    fails_early = truth is not None and truth.stage in STAGES_BEFORE_THE_NETWORK
    return fails_early and not NEEDS_WITHOUT_A_NETWORK & set(needs)


def first_line(alarms: Iterable[Finding]) -> int | None:
    """Return the line of the first alarm that has a location."""
    return next((one.location.line for one in alarms if one.location), None)


def first_module(alarms: Iterable[Finding]) -> str | None:
    """Return the module of the first alarm that names one."""
    return next((one.module for one in alarms if one.module), None)
