"""torchtest2: its checks before training, of the network and an example batch.

It receives neither the loss nor the optimizer of the program, so its checks of these do not run.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.adapters._kinds import PATTERNS, first_kind, kind_table
from broken_convnets.commands.score.adapters._opened import ModelTool, OpenedProgram
from broken_convnets.commands.score.adapters._raised import brief
from broken_convnets.commands.score.protocol.messages import Finding, Severity
from broken_convnets.commands.score.protocol.validation import diagnosis_of
from broken_convnets.util.mask import mask

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Diagnosis

KINDS = kind_table(
    (r"^gradient_flow$", "training/unused_layer"),
    (r"^eval_determinism$", "training/functional_dropout"),
    (r"^batch_independence$", "loss/softmax_dimension"),
    (r"^(params_change|frozen_params)$", "training/frozen_layers"),
    (r"^(output_finite|output_varies|gradient_magnitude)$", "training"),
    (r"^input_dependency$", "module"),
)


class Torchtest2(ModelTool):
    """`torchtest2.check_model(network, inputs)`."""

    def missing(self) -> str:
        """Return what to install; empty if torchtest2 is installed."""
        if importlib.util.find_spec("torchtest2"):
            return ""
        return "torchtest2 cannot be imported: `nox -s tools -- torchtest2` installs it"

    def version(self) -> str:
        """Return the version of torchtest2."""
        return f"torchtest2 {version('torchtest2')}"

    def examine(self, opened: OpenedProgram) -> Diagnosis:
        """Run all checks that need no loss."""
        from torchtest2 import check_model  # noqa: PLC0415  (an optional package)

        report = check_model(opened.net, opened.inputs)
        results = [(Severity.ERROR, one) for one in report.failures]
        results += [(Severity.WARNING, one) for one in report.warnings]
        return diagnosis_of([finding(result, severity) for severity, result in results])


def finding(result: Any, severity: Severity) -> Finding:
    """Return the finding for the result of a check; it has no line."""
    message = mask(result.message)
    raised = result.name == "forward"
    kind = first_kind(PATTERNS, message) if raised else first_kind(KINDS, result.name)
    return Finding(brief(message) or result.name, kind=kind, severity=severity, rule=result.name)


tool = Torchtest2
