"""pyright, a type checker that knows torch's annotations but not shapes."""

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

SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING, "information": Severity.NOTE}
KINDS = kind_table(
    (r"reportOptionalCall", "none/optional_layer_none"),
    (r"\"None\" is not iterable|reportOptional", "none"),
    (r'cannot be assigned to parameter .*\n.*"None" is not assignable', "none"),
    (r'Method "train" overrides', "training/overrides_train_method"),
    (r'Method "\w+" overrides', "training/name_shadowing"),
    (r"reportSelfClsParameterName", "training/forward_signature"),
    (r"\"tuple\[", "none/non_tensor_input"),
    (r'attribute "backward"', "training/graph_detached"),
    (r"positional argument", "training/forward_signature"),
    (r"reportUnusedExpression", "training/layer_output_discarded"),
)


class Pyright(StaticTool):
    """`pyright` with the packages of the interpreter that runs the programs."""

    executable = "pyright"
    lock = "pyright"

    def command(self, request: Request) -> list[str]:
        """Return the command line without the files."""
        return [self.executable, "--outputjson", "--pythonpath", request.python]

    def parse(self, out: str) -> list[FileFinding]:
        """Parse pyright's JSON; its lines and columns count from 0."""
        return [
            FileFinding(
                row["file"],
                Finding(
                    row["message"],
                    kind=first_kind(KINDS, f"{row.get('rule', '')}: {row['message']}"),
                    severity=SEVERITIES[row["severity"]],
                    rule=row.get("rule", ""),
                    location=Location(
                        row["range"]["start"]["line"] + 1,
                        LocationRole.SYMPTOM,
                        row["range"]["end"]["line"] + 1,
                        row["range"]["start"]["character"] + 1,
                    ),
                ),
            )
            for row in json.loads(out)["generalDiagnostics"]
        ]


tool = Pyright
