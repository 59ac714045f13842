"""The `diagnose` command of this project: run the program as a script, judge the run, verify fixes.

It sees what every tool sees, the text of the program. Where no rule applies, a program that raises
is reported with its exception alone, as the plain traceback does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import kind_of
from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.adapters.explain import own_version
from broken_convnets.commands.score.protocol.messages import (
    Finding,
    Location,
    LocationRole,
    Need,
    Severity,
)
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import diagnosis_of

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose import diagnosis, findings
    from broken_convnets.commands.score.protocol.messages import Diagnosis, Request

BUDGET = 0.5  # of the time limit, for verifying fixes
LONGEST = 10.0  # seconds for verifying fixes, the default of the command


class Diagnose(Tool):
    """`broken-convnets diagnose` on the program, with its fixes."""

    needs = frozenset({Need.RUN})

    def version(self) -> str:
        """Return the version of this package."""
        return own_version()

    def prepare(self) -> None:
        """Load torch and the rules; nothing is run."""
        from broken_convnets.commands.diagnose import preload, registry  # noqa: PLC0415  (imports torch)

        preload.configure()
        registry.load_rules()

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program as a script, and return what was found, the best finding first."""
        from broken_convnets.commands.diagnose.session import Session  # noqa: PLC0415  (imports torch)
        from broken_convnets.observe.user_program import UserProgram  # noqa: PLC0415  (likewise)

        budget = min(LONGEST, BUDGET * request.seconds)
        session = Session(UserProgram(request.file), verify=True, budget=budget, on_os_exit=_exit)
        found = session.diagnose()
        converted = [_converted(found, one, request) for one in found.findings]
        return diagnosis_of(converted or _raised(found, request))


def _exit(found: diagnosis.Diagnosis) -> int:
    return found.exit_code


def _converted(found: diagnosis.Diagnosis, one: findings.Finding, request: Request) -> Finding:
    verified = (fix for fix in found.fixes_of(one) if fix.verified)
    fix = next((f for f in verified if list(f.patch) == [request.file]), None)
    return Finding(
        message=brief(f"{one.message}: {one.evidence}"),
        kind=one.kind,
        severity=Severity(one.severity),
        rule=one.rule,
        location=_location(one, request),
        module=one.module or None,
        fix=found.diff_of(fix) if fix else None,
    )


def _location(one: findings.Finding, request: Request) -> Location | None:
    """Return the cause, else the symptom, if it is in the file of the program."""
    roles = ((one.cause, LocationRole.CAUSE), (one.symptom, LocationRole.SYMPTOM))
    places = (Location(p.line, role) for p, role in roles if p and p.file == request.file)
    return next(places, None)


def _raised(found: diagnosis.Diagnosis, request: Request) -> list[Finding]:
    """Return the exception that left the program, if no rule recognizes it."""
    failure = found.failure
    if failure is None:
        return []
    line = failure.line if failure.file == request.file else None
    return [
        Finding(
            message=brief(failure.message) or failure.type,
            kind=kind_of(failure.type, failure.message),
            rule=failure.type,
            location=Location(line, LocationRole.SYMPTOM) if line else None,
            module=failure.layer or None,
        )
    ]


tool = Diagnose
