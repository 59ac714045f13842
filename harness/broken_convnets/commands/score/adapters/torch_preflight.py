"""torch-preflight, a linter for training scripts: gradients, train mode, softmax before a loss."""

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

KINDS = kind_table(
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
    """`torch-preflight check` with its default rules."""

    executable = "torch-preflight"
    lock = "torch_preflight"

    def command(self, request: Request) -> list[str]:  # noqa: ARG002  (unused here)
        """Return the command line without the files."""
        return [self.executable, "check", "--format", "json", "--no-color", "--jobs", "1"]

    def parse(self, out: str) -> list[FileFinding]:
        """Parse its JSON; lines and columns count from 1."""
        return [
            FileFinding(
                row["path"],
                Finding(
                    f"{row['message']} {row['hint'] or ''}".strip(),
                    kind=first_kind(KINDS, row["code"]),
                    severity=Severity(row["severity"]),
                    rule=row["code"],
                    location=Location(
                        row["line"], LocationRole.CAUSE, row["end_line"], row["column"]
                    ),
                ),
            )
            for row in json.loads(out)["diagnostics"]
        ]


tool = TorchPreflight
