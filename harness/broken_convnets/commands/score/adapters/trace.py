"""The `trace` and `check` of this project: follow the values through the program's networks.

The kind of a failure is what `explain` makes of its traceback, so of that the same holds: it is
no evidence on the corpus' own programs. Lines and modules are worked out from the run alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import OTHER
from broken_convnets.commands.score.adapters._opened import Opened
from broken_convnets.commands.score.adapters._raised import brief, place
from broken_convnets.commands.score.adapters.explain import best, known, own_version
from broken_convnets.commands.score.protocol import Diagnosis, Finding, Need, Severity, diagnosed
from broken_convnets.commands.score.tool import Tool

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol import Request
    from broken_convnets.commands.trace.trace import Tracing
    from broken_convnets.observe.failure import Failure


class Trace(Tool):
    """`broken_convnets.trace()` around the run; `harness.check` where nothing was raised."""

    needs = frozenset({Need.RUN})

    def version(self) -> str:
        """Return the version of this package."""
        return own_version()

    def prepare(self) -> None:
        """Read what `explain` knows."""
        known()

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program once; then look for what fails only elsewhere."""
        from broken_convnets.commands.trace.trace import trace  # noqa: PLC0415  (imports torch)

        opened = Opened(request)
        try:
            with trace() as seen:
                opened.open()
                opened.run()
        except Exception as error:  # noqa: BLE001  (it is the program's code)
            return diagnosed([failed(seen, error, request)])
        return diagnosed([*marked(seen), *hazards(opened)])


def failed(seen: Tracing, error: Exception, request: Request) -> Finding:
    """Return what ended the run; the module is the one that `trace` says to look at first."""
    failure: Failure | None = seen.failure
    likest = best(failure.traceback) if failure else None
    layer = seen.suspect or seen.failed
    message = failure.message if failure else str(error)
    return Finding(
        message=brief(message) or type(error).__name__,
        kind=likest.kind if likest else OTHER,
        rule=type(error).__name__,
        location=place(error, request.file),
        module=(layer.path or None) if layer else None,
    )


def marked(seen: Tracing) -> list[Finding]:
    """Return where the first value came up that is no finite number; it may be meant."""
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


def hazards(opened: Opened) -> list[Finding]:
    """Return what `check` says would fail on another device."""
    from broken_convnets.commands.trace.check import check  # noqa: PLC0415  (imports torch)

    found = check(opened.net, *opened.inputs).hazards
    return [
        Finding(text, kind="device", severity=Severity.WARNING, rule="hazard") for text in found
    ]


tool = Trace
