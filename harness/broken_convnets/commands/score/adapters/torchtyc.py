"""torchtyc: run the program's main block with every tensor on the meta device.

It stops, and calls that no error, where a value is asked for. It starts a process that imports
torch anew, so each program takes seconds.
"""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import version
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import kind_of
from broken_convnets.commands.score.adapters._process import run
from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.protocol import (
    Diagnosis,
    Finding,
    Location,
    Need,
    Role,
    Severity,
    Status,
    diagnosed,
    failed,
)
from broken_convnets.commands.score.tool import Tool

if TYPE_CHECKING:
    from typing import Any

    from broken_convnets.commands.score.protocol import Request

MAIN = "import sys; from torchtyc.cli import main; sys.exit(main())"
SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.NOTE}


class Torchtyc(Tool):
    """`torchtyc run`, which needs no annotation."""

    needs = frozenset({Need.RUN})

    def missing(self) -> str:
        """Return what to install."""
        if importlib.util.find_spec("torchtyc"):
            return ""
        return "torchtyc cannot be imported: `nox -s tools -- torchtyc` installs it"

    def version(self) -> str:
        """Return its version."""
        return f"torchtyc {version('torchtyc')}"

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program on meta tensors, in a process of its own."""
        command = [
            request.python,
            "-c",
            MAIN,
            "run",
            request.file,
            "--format",
            "json",
            "--python",
            request.python,
            "--timeout",
            f"{request.seconds:g}",
        ]
        ran = run(command, request.seconds)
        try:
            return read(json.loads(ran.out))
        except (ValueError, KeyError, TypeError):
            return failed(f"torchtyc gave no answer: {brief(ran.err) or brief(ran.out)}")


def read(told: dict[str, Any]) -> Diagnosis:
    """Return torchtyc's JSON as a diagnosis; KeyError where it is another document."""
    if told["worker_error"]:
        return failed(f"torchtyc failed: {brief(told['worker_error'])}")
    findings = [finding(row) for row in told["diagnostics"]]
    answer = diagnosed(findings)
    ended = {status["state"]: status.get("reason") or "" for status in told["run_status"]}
    if answer.status is Status.CLEAN and set(ended) - {"completed"}:
        state, reason = next((s, r) for s, r in ended.items() if s != "completed")
        return Diagnosis(Status.UNSUPPORTED, findings, f"{state}: {brief(reason)}")
    return answer


def finding(row: dict[str, Any]) -> Finding:
    """Return one diagnostic; its lines and columns count from 0."""
    parts = [
        row["message"],
        *(
            f"{name}: {row[key]}"
            for name, key in (("got", "got"), ("hint", "hint"))
            if row.get(key)
        ),
    ]
    return Finding(
        brief("\n".join(parts)),
        kind=kind_of("", "\n".join(parts)),
        severity=SEVERITIES[row["severity"]],
        rule=row["rule"],
        location=Location(row["line"] + 1, Role.SYMPTOM, column=row["column"] + 1),
    )


tool = Torchtyc
