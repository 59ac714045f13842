"""pyrefly with its torch stubs, the only static checker here that infers shapes.

The stubs belong to one release of pyrefly and break other checkers, so they are installed in a
separate environment without torch. torch comes from the interpreter that runs the programs.
"""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._kinds import first_kind, kind_table
from broken_convnets.commands.score.adapters._process import executable_path, run_command
from broken_convnets.commands.score.adapters._static import FileFinding, StaticTool
from broken_convnets.commands.score.protocol.messages import (
    Finding,
    Location,
    LocationRole,
    Severity,
)

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request

PACKAGES = "import sysconfig; print(sysconfig.get_path('purelib'))"
SEVERITIES = {"error": Severity.ERROR, "warn": Severity.WARNING, "info": Severity.NOTE}
KINDS = kind_table(
    (r"Argument `Tensor\[.*`torch.nn.Linear.forward`", "shape/linear_in_features"),
    (r"Argument `Tensor\[.*`torch.nn.Conv\dd.forward`", "shape/channels_mismatch"),
    (r"Argument `Tensor\[.*`torch.nn.BatchNorm\dd.forward`", "shape/batchnorm_channels"),
    (r"^bad-argument-type: Argument `Tensor\[.*__init__`", "none/module_not_called"),
    (r"Argument `None` .*(Tensor|forward)", "none/forward_missing_return"),
    (r"Argument `tuple\[", "none/non_tensor_input"),
    (r"Argument `\(.*\) -> ", "none/method_not_called"),
    (r"Argument `[A-Z]\w+(\[.*\])?` .*type `Tensor", "none/module_not_called"),
    (r"^bad-argument-type: Argument `Tensor\[", "shape"),
    (r"^not-callable: .*`None`", "none/optional_layer_none"),
    (r"^not-callable: .*`list", "training/sequential_list"),
    (r"^not-callable: .*`Tensor`", "training/name_shadowing"),
    (r"`NoneType`|`None` is not|Type `None`", "none"),
    (r"^bad-assignment: `Tensor.*not assignable to attribute", "training/name_shadowing"),
    (r"^bad-override: .*\.train`", "training/overrides_train_method"),
    (r"^bad-override", "training/name_shadowing"),
    (r"^bad-argument-count", "training/forward_signature"),
    (r"no attribute `backward`", "training/graph_detached"),
    (r"`state_dict`", "state/state_dict_mismatch"),
)


class Pyrefly(StaticTool):
    """`pyrefly check` with the preset that checks function bodies."""

    executable = "pyrefly"
    lock = "pyrefly"

    def missing(self) -> str:
        """Return what to install; without the stubs pyrefly knows only torch's own types."""
        return super().missing() or (
            ""
            if _stubs()
            else "the torch stubs of pyrefly are missing: `nox -s tools -- pyrefly` installs them"
        )

    def command(self, request: Request) -> list[str]:  # noqa: ARG002  (unused here)
        """Return the command line without the files."""
        return [
            self.executable,
            "check",
            "--output-format",
            "json",
            "--summary=none",
            "--preset",
            "default",
            "--skip-interpreter-query",
            "--site-package-path",
            _stubs(),
            "--site-package-path",
            sysconfig.get_path("purelib"),
        ]

    def parse(self, out: str) -> list[FileFinding]:
        """Parse pyrefly's JSON; its lines and columns count from 1."""
        return [
            FileFinding(
                row["path"],
                Finding(
                    row["concise_description"],
                    kind=first_kind(KINDS, f"{row['name']}: {row['concise_description']}"),
                    severity=SEVERITIES.get(row["severity"], Severity.ERROR),
                    rule=row["name"],
                    location=Location(
                        row["line"], LocationRole.SYMPTOM, row["stop_line"], row["column"]
                    ),
                ),
            )
            for row in json.loads(out)["errors"]
        ]


def _stubs() -> str:
    """Return the folder of the stubs in the environment of the executable; empty if missing."""
    python = Path(executable_path("pyrefly") or "").parent / "python"
    folder = run_command([str(python), "-c", PACKAGES]).out.strip() if python.exists() else ""
    return folder if (Path(folder) / "torch-stubs").is_dir() else ""


tool = Pyrefly
