"""ruff, a linter for Python without knowledge of torch; only rules about mistakes, not style."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import first_kind, kind_table
from broken_convnets.commands.score.adapters._static import FileFinding, StaticTool
from broken_convnets.commands.score.protocol.messages import (
    Finding,
    Location,
    LocationRole,
    Severity,
)

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request

RULES = "B,F,E9,PLE,PLW,RET"
# A diagnostic without a severity is an error: it makes ruff exit 1.
SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.NOTE}
KINDS = kind_table(
    (r"^RET50[23]", "none/forward_conditional_return"),
    (r"^RET501", "none/forward_missing_return"),
    (r"^F811", "training/name_shadowing"),
    (r"^B018", "training/layer_output_discarded"),
)


class Ruff(StaticTool):
    """`ruff check` without configuration files."""

    executable = "ruff"
    lock = "ruff"

    def command(self, request: Request) -> list[str]:  # noqa: ARG002  (unused here)
        """Return the command line without the files."""
        return [
            self.executable,
            "check",
            "--isolated",
            "--no-cache",
            "--select",
            RULES,
            "--output-format",
            "json",
        ]

    def parse(self, out: str) -> list[FileFinding]:
        """Parse ruff's JSON; its lines and columns count from 1."""
        return [
            FileFinding(
                row["filename"],
                Finding(
                    row["message"],
                    kind=first_kind(KINDS, f"{row['code']}: {row['message']}"),
                    severity=SEVERITIES.get(row.get("severity", "error"), Severity.ERROR),
                    rule=str(row["code"] or "syntax-error"),
                    location=Location(
                        row["location"]["row"],
                        LocationRole.CAUSE,
                        row["end_location"]["row"],
                        row["location"]["column"],
                    ),
                ),
            )
            for row in json.loads(out)
        ]


tool = Ruff
