"""The call of a loss that failed, with its scores and its targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.dtypes.casts import Operand, produced
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    import ast

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

CLASSES = {"cross_entropy", "nll_loss", "cross_entropy_loss", "nll_loss2d", "nll_loss_nd"}


@dataclass(frozen=True)
class LossCall:
    """The loss that failed: its scores and targets as values, and the call in the program."""

    operator: Operator
    scores: Value
    target: Value
    frame: UserFrame
    index: int  # of the frame
    nodes: tuple[ast.expr, ast.expr] | None  # of scores and target

    def operand(self, evidence: Evidence, which: int) -> Operand | None:
        """Return the scores (0) or the target (1) with its origin."""
        if self.nodes is None:
            return None
        value = (self.scores, self.target)[which]
        origin = produced(evidence, self.index, self.nodes[which])
        return Operand(self.index, self.frame, self.nodes[which], value, origin)


def loss_call(evidence: Evidence, names: set[str], operator: Operator | None) -> LossCall | None:
    """Return a loss with two tensors, and the frame that called it."""
    if operator is None or operator.name not in names or len(operator.inputs) < 2:  # noqa: PLR2004  (scores and target)
        return None
    for index, frame in enumerate(evidence.frames):
        call = frame.call
        if call is None or not operator.places or not _holds(frame, operator):
            continue
        first, second = argument(call, "input", 0), argument(call, "target", 1)
        nodes = (first, second) if first is not None and second is not None else None
        return LossCall(operator, operator.inputs[0], operator.inputs[1], frame, index, nodes)
    return None


def _holds(frame: UserFrame, operator: Operator) -> bool:
    return any(place == frame.place for place in operator.places)


def are_exchanged(found: LossCall) -> bool:
    """Return whether the first are class indices, and the second scores of these samples."""
    classes, scores = found.scores, found.target
    if classes.dtype.is_floating_point or not scores.dtype.is_floating_point:
        return False
    if len(scores.shape) != len(classes.shape) + 1 or not classes.shape:
        return False
    return (scores.shape[0], *scores.shape[2:]) == classes.shape
