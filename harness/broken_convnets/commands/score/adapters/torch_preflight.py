"""torch-preflight, a linter for training scripts: gradients, modes, losses after a softmax."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import first, table
from broken_convnets.commands.score.adapters._static import Found, StaticTool
from broken_convnets.commands.score.protocol import Finding, Location, Role, Severity

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol import Request

KINDS = table(
    (r"^TG001", "memory/loss_accumulation"),
    (r"^TG002", "memory/missing_no_grad"),
    (r"^TG003", "training/missing_zero_grad"),
    (r"^TG00[56]", "training/softmax_before_ce"),
    (r"^TG010", "memory/oom"),
    (r"^TG011", "training/forgot_train_after_val"),
    (r"^TG0(04|07|08|13)", "memory"),
    (r"^TG012", "data"),
    (r"^TG014", "training"),
)


class TorchPreflight(StaticTool):
    """`torch-preflight check` with the rules that it has on by default."""

    executable = "torch-preflight"
    lock = "torch_preflight"

    def command(self, request: Request) -> list[str]:  # noqa: ARG002  (no need of it)
        """Return the command line without its files."""
        return [self.executable, "check", "--format", "json", "--no-color", "--jobs", "1"]

    def parse(self, out: str) -> list[Found]:
        """Read its JSON; lines and columns count from 1."""
        return [
            Found(
                row["path"],
                Finding(
                    f"{row['message']} {row['hint'] or ''}".strip(),
                    kind=first(KINDS, row["code"]),
                    severity=Severity(row["severity"]),
                    rule=row["code"],
                    location=Location(row["line"], Role.CAUSE, row["end_line"], row["column"]),
                ),
            )
            for row in json.loads(out)["diagnostics"]
        ]


tool = TorchPreflight
