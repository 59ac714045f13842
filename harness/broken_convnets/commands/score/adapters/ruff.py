"""ruff, a linter that knows Python and not torch: its rules about mistakes, not about style."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import first, table
from broken_convnets.commands.score.adapters._static import Found, StaticTool
from broken_convnets.commands.score.protocol import Finding, Location, Role, Severity

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol import Request

RULES = "B,F,E9,PLE,PLW,RET"
# Its own severities; what it prints no severity for is an error, as its exit code says.
SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.NOTE}
KINDS = table(
    (r"^RET50[23]", "none/forward_conditional_return"),
    (r"^RET501", "none/forward_missing_return"),
    (r"^F811", "training/name_shadowing"),
    (r"^B018", "training/layer_output_discarded"),
)


class Ruff(StaticTool):
    """`ruff check`, without anyone's configuration."""

    executable = "ruff"
    lock = "ruff"

    def command(self, request: Request) -> list[str]:  # noqa: ARG002  (no need of it)
        """Return the command line without its files."""
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

    def parse(self, out: str) -> list[Found]:
        """Read ruff's JSON; its lines and columns count from 1."""
        return [
            Found(
                row["filename"],
                Finding(
                    row["message"],
                    kind=first(KINDS, f"{row['code']}: {row['message']}"),
                    severity=SEVERITIES.get(row.get("severity", "error"), Severity.ERROR),
                    rule=str(row["code"] or "syntax-error"),
                    location=Location(
                        row["location"]["row"],
                        Role.CAUSE,
                        row["end_location"]["row"],
                        row["location"]["column"],
                    ),
                ),
            )
            for row in json.loads(out)
        ]


tool = Ruff
