"""torch-audit: its rules while the program runs, in its mode without changes to the program.

It sees the network, each forward pass, and the first optimizer from its second step on. What the
run raises is not its finding.
"""

from __future__ import annotations

import contextlib
import importlib.util
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.adapters._kinds import first_kind, kind_table
from broken_convnets.commands.score.adapters._opened import OpenedProgram, failed_before
from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Need, Severity
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import diagnosis_of

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request

KINDS = kind_table(
    (r"^TA10[0-5]$", "training"),
    (r"^TA300$", "device"),
    (r"^TA301$", "data/normalize_range"),
    (r"^TA30[25]$", "data"),
    (r"^TA303$", "shape/nhwc_input"),
    (r"^TA304$", "shape/batchnorm_single_value"),
    (r"^TA500$", "training/unused_layer"),
    (r"^TA501$", "module"),
)
SEVERITIES = {
    "FATAL": Severity.ERROR,
    "ERROR": Severity.ERROR,
    "WARN": Severity.WARNING,
    "INFO": Severity.NOTE,
}


class TorchAudit(Tool):
    """`torch_audit.Auditor(network).autopatch()` around the run."""

    needs = frozenset({Need.RUN})

    def missing(self) -> str:
        """Return what to install; empty if torch-audit is installed."""
        if importlib.util.find_spec("torch_audit"):
            return ""
        return "torch_audit cannot be imported: `nox -s tools -- torch_audit` installs it"

    def version(self) -> str:
        """Return the version of torch-audit."""
        return f"torch-audit {version('torch-audit')}"

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program under the auditor."""
        from torch.optim.optimizer import register_optimizer_step_pre_hook  # noqa: PLC0415  (imports torch)
        from torch_audit import Auditor  # noqa: PLC0415  (an optional package)

        opened = OpenedProgram(request)
        try:
            opened.open()
        except Exception as error:  # noqa: BLE001  (the code of the program)
            return failed_before(opened, error)
        auditors = [Auditor(opened.net, every_n_steps=1).autopatch()]

        def audit_optimizer(optimizer: Any, *_: object) -> None:
            """Audit an optimizer from its second step on: the hook runs within the first."""
            hook.remove()
            auditor = Auditor(opened.net, optimizer=optimizer, every_n_steps=1)
            auditors.append(auditor.autopatch(run_static=False, patch_model=False))

        hook = register_optimizer_step_pre_hook(audit_optimizer)
        with contextlib.suppress(Exception):  # the code of the program
            opened.run()
        found = [one for auditor in auditors for one in auditor.finish().findings]
        return diagnosis_of([finding(one) for one in found])


def finding(found: Any) -> Finding:
    """Return a finding of torch-audit as one of the protocol; it has no line."""
    return Finding(
        brief(found.message) or found.rule_id,
        kind=first_kind(KINDS, found.rule_id),
        severity=SEVERITIES[found.severity.value],
        rule=found.rule_id,
        module=found.module_path or None,
    )


tool = TorchAudit
