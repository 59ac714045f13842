"""pylint: its errors and warnings, and inconsistent returns. It takes about 1 s per program.

It cannot inspect torch's C extension and reports most of torch's functions as missing, so the
messages about missing members are disabled.
"""

from __future__ import annotations

import json
import sysconfig
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

RULES = "E,W,inconsistent-return-statements"
BLIND = "import-error,no-member,no-name-in-module"  # wrong for every compiled module
SEVERITIES = {"fatal": Severity.ERROR, "error": Severity.ERROR, "warning": Severity.WARNING}
KINDS = kind_table(
    (r"^super-init-not-called", "training/missing_super_init"),
    (r"^assignment-from-no(ne|-return): .*'append'", "none/inplace_method_returns_none"),
    (r"^assignment-from-no(ne|-return)", "none/forward_missing_return"),
    (r"^inconsistent-return-statements", "none/forward_conditional_return"),
    (r"^no-self-argument|^no-method-argument", "training/forward_signature"),
    (r"^arguments-differ: .*'train'", "training/overrides_train_method"),
    (r"^arguments-differ", "training/forward_signature"),
    (r"^not-callable", "training/name_shadowing"),
    (r"^(expression-not-assigned|pointless-statement)", "training/layer_output_discarded"),
    (r"^possibly-used-before-assignment|^used-before-assignment", "none"),
)


class Pylint(StaticTool):
    """`pylint` with the packages of the interpreter that runs the programs."""

    executable = "pylint"
    lock = "pylint"
    batch = 10
    codes = frozenset(code for code in range(32) if not code & 1)  # bits; 1 is a fatal message

    def command(self, request: Request) -> list[str]:  # noqa: ARG002  (unused here)
        """Return the command line without the files."""
        packages = sysconfig.get_path("purelib")
        return [
            self.executable,
            "--rcfile=/dev/null",
            "--output-format=json2",
            "--disable=all",
            f"--enable={RULES}",
            f"--disable={BLIND}",
            "--persistent=no",
            f"--init-hook=import sys; sys.path.append({packages!r})",
        ]

    def parse(self, out: str) -> list[FileFinding]:
        """Parse pylint's JSON; its lines count from 1, its columns from 0."""
        return [
            FileFinding(
                row["absolutePath"],
                Finding(
                    row["message"],
                    kind=first_kind(KINDS, f"{row['symbol']}: {row['message']}"),
                    severity=SEVERITIES.get(row["type"], Severity.WARNING),
                    rule=row["symbol"],
                    location=Location(
                        max(row["line"], 1), LocationRole.CAUSE, row["endLine"], row["column"] + 1
                    ),
                ),
            )
            for row in json.loads(out)["messages"]
        ]


tool = Pylint
