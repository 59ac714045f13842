"""torchtyc: run the program's main block with every tensor on the meta device.

It stops without an error at the first operation that needs a value. It starts a process that
imports torch, so each program takes seconds.
"""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import version
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import kind_of
from broken_convnets.commands.score.adapters._process import run_command
from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Need,
    Severity,
    Status,
)
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import diagnosis_of, error_diagnosis

if TYPE_CHECKING:
    from typing import Any

    from broken_convnets.commands.score.protocol.messages import Request

MAIN = "import sys; from torchtyc.cli import main; sys.exit(main())"
SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.NOTE}


class Torchtyc(Tool):
    """`torchtyc run`, which needs no annotations."""

    needs = frozenset({Need.RUN})

    def missing(self) -> str:
        """Return what to install; empty if torchtyc is installed."""
        if importlib.util.find_spec("torchtyc"):
            return ""
        return "torchtyc cannot be imported: `nox -s tools -- torchtyc` installs it"

    def version(self) -> str:
        """Return the version of torchtyc."""
        return f"torchtyc {version('torchtyc')}"

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program on meta tensors in a separate process."""
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
        ran = run_command(command, request.seconds)
        try:
            return parse(json.loads(ran.out))
        except (ValueError, KeyError, TypeError):
            return error_diagnosis(f"torchtyc printed no JSON: {brief(ran.err) or brief(ran.out)}")


def parse(report: dict[str, Any]) -> Diagnosis:
    """Return torchtyc's JSON as a diagnosis. Raises KeyError for another document."""
    if report["worker_error"]:
        return error_diagnosis(f"torchtyc failed: {brief(report['worker_error'])}")
    findings = [finding(row) for row in report["diagnostics"]]
    answer = diagnosis_of(findings)
    ended = {status["state"]: status.get("reason") or "" for status in report["run_status"]}
    if answer.status is Status.CLEAN and set(ended) - {"completed"}:
        state, reason = next((s, r) for s, r in ended.items() if s != "completed")
        return Diagnosis(Status.UNSUPPORTED, findings, f"{state}: {brief(reason)}")
    return answer


def finding(row: dict[str, Any]) -> Finding:
    """Return one diagnostic as a finding; its lines and columns count from 0."""
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
        location=Location(row["line"] + 1, LocationRole.SYMPTOM, column=row["column"] + 1),
    )


tool = Torchtyc
