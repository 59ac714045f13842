"""A loss that raised because of shapes: what it received, and the user's expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.branches import Branch, branches
from broken_convnets.commands.diagnose.analysis.sizes.expressions import wrapped
from broken_convnets.commands.diagnose.analysis.sizes.wording import shortened
from broken_convnets.commands.diagnose.edits import Patch, replace
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    import ast

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.values import Value

CLASSES = {"cross_entropy", "nll_loss"}
BINARY = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
REGRESSION = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss"}
SHAPES = re.compile(
    r"batch_size|target size|Target size|size mismatch|multi-target|spatial targets|"
    r"must match the size|class probabilities|output with shape|broadcast"
)
PLAIN = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class Loss:
    """A loss that raised. `nodes` are the expressions of both tensors in `source`."""

    evidence: Evidence
    failed: FailedCall
    name: str
    output: Value
    target: Value
    source: Source
    call: ast.Call
    nodes: tuple[ast.expr, ast.expr]

    @property
    def texts(self) -> tuple[str, str]:
        """The texts of both expressions."""
        output, target = (shortened(self.source.text_of(node)) for node in self.nodes)
        return output, target

    @property
    def path(self) -> Branch:
        """The layers that led to the output."""
        return branches(self.evidence.record, self.output, self.target)[0]

    def on_output(self, template: str) -> list[Change]:
        """Return the change that wraps the output."""
        return [wrapped(self.source, self.nodes[0], template)]

    def on_target(self, template: str) -> list[Change]:
        """Return the change that wraps the target."""
        return [wrapped(self.source, self.nodes[1], template)]

    def another(self, function: str, module: str, target: str) -> list[Change]:
        """Return the change to another loss, with `target` as the template of the target."""
        return [partial(self._another, function, module, target)]

    def _another(self, function: str, module: str, target: str) -> Patch:
        text = self.source.text_of(self.nodes[1]).removesuffix(".float()")
        changes: list[tuple[ast.expr | ast.stmt, str]] = []
        if "{}" in target:
            changes.append((self.nodes[1], target.replace("{}", text)))
        if self.failed.layer is None:
            called = self.source.text_of(self.call.func)
            changes.append((self.call.func, called.replace(self.name, function)))
            return replace(self.source, changes)
        site = constructor(self.evidence, construction_of(self.evidence.record, self.failed.layer))
        if site is None:
            return {}
        prefix = site.called.rpartition(".")[0]
        own = (site.call.func, f"{prefix}.{module}".lstrip("."))
        if site.source is self.source:
            return replace(self.source, [*changes, own])
        return {**replace(site.source, [own]), **replace(self.source, changes)}


def failed_loss(evidence: Evidence, failed: FailedCall) -> Loss | None:
    """Return the loss that raised; None if no loss did, or not because of shapes."""
    operator = failed.operator
    if operator is None or operator.name not in CLASSES | BINARY | REGRESSION:
        return None
    if not SHAPES.search(failed.message) or len(operator.inputs) < 2:  # noqa: PLR2004  (output and target)
        return None
    source = evidence.source(failed.places[0].file)
    call = source.call_at(failed.places[0]) if source else None
    output = argument(call, "input", 0) if call else None
    target = argument(call, "target", 1) if call else None
    if source is None or call is None or output is None or target is None:
        return None
    first, second = operator.inputs[:2]
    name = operator.name
    return Loss(evidence, failed, name, first, second, source, call, (output, target))
