"""The `trace` and `check` functions of this project: record the values in the networks of a run.

The kind of a failure comes from `explain`, so on the original programs it is not evidence of
quality. Lines and modules are determined from the run alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import OTHER
from broken_convnets.commands.score.adapters._opened import OpenedProgram
from broken_convnets.commands.score.adapters._raised import brief, program_location
from broken_convnets.commands.score.adapters.explain import best, known, own_version
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Need, Severity
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import diagnosis_of

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request
    from broken_convnets.commands.trace.trace import Tracing
    from broken_convnets.observe.failure import Failure


class Trace(Tool):
    """`broken_convnets.trace()` around the run, and `check` if nothing is raised."""

    needs = frozenset({Need.RUN})

    def version(self) -> str:
        """Return the version of this package."""
        return own_version()

    def prepare(self) -> None:
        """Load the index of `explain`."""
        known()

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program once, then check for failures on other devices."""
        from broken_convnets.commands.trace.trace import trace  # noqa: PLC0415  (imports torch)

        opened = OpenedProgram(request)
        try:
            with trace() as seen:
                opened.open()
                opened.run()
        except Exception as error:  # noqa: BLE001  (the code of the program)
            return diagnosis_of([failed(seen, error, request)])
        return diagnosis_of([*marked(seen), *hazards(opened)])


def failed(seen: Tracing, error: Exception, request: Request) -> Finding:
    """Return the failure of the run; the module is the one that `trace` suspects."""
    failure: Failure | None = seen.failure
    likest = best(failure.traceback) if failure else None
    layer = seen.suspect or seen.failed
    message = failure.message if failure else str(error)
    return Finding(
        message=brief(message) or type(error).__name__,
        kind=likest.kind if likest else OTHER,
        rule=type(error).__name__,
        location=program_location(error, request.file),
        module=(layer.path or None) if layer else None,
    )


def marked(seen: Tracing) -> list[Finding]:
    """Return a warning where the first non-finite value appears; it may be intended."""
    return [
        Finding(
            f"{row.path or row.type} {mark}",
            kind="training",
            severity=Severity.WARNING,
            rule="non-finite",
            module=row.path or None,
        )
        for row in seen.rows
        for mark in row.annotations
        if "non-finite" in mark
    ]


def hazards(opened: OpenedProgram) -> list[Finding]:
    """Return a warning for everything that, according to `check`, fails on another device."""
    from broken_convnets.commands.trace.check import check  # noqa: PLC0415  (imports torch)

    found = check(opened.net, *opened.inputs).hazards
    return [
        Finding(text, kind="device", severity=Severity.WARNING, rule="hazard") for text in found
    ]


tool = Trace
