"""Where the weights of classes are computed in the user's source, and how to invert them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.edits import EditError
from broken_convnets.commands.diagnose.rules.loss.counters import unwrapped
from broken_convnets.commands.diagnose.rules.training.bound_values import Bound, bound_values
from broken_convnets.commands.diagnose.sites import site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

MAKERS = frozenset(
    {"tensor", "as_tensor", "Tensor", "FloatTensor", "DoubleTensor", "from_numpy", "array", "list"}
)
STEPS = 8  # from an argument to where it is computed


def weights_of_loss(evidence: Evidence, operator: Operator, name: str) -> Bound | None:
    """Return where the weights of a loss function, or of its module, are computed."""
    built = evidence.record.construction_of(operator)
    if built is not None:
        return weights_at(evidence, built.places, name, 0)
    return weights_at(evidence, operator.places, name, 2 if name == "weight" else None)


def weights_at(
    evidence: Evidence, places: Sequence[Place], name: str, position: int | None
) -> Bound | None:
    """Return where an argument of the call at the innermost place is computed."""
    site = site_of(evidence, places)
    given = argument(site.call, name, position) if site else None
    return computed(evidence, Bound(site.source, given)) if site and given else None


def computed(evidence: Evidence, bound: Bound) -> Bound:
    """Return the expression that computes a tensor of weights, through names and conversions."""
    for _ in range(STEPS):
        node = unwrapped(bound.node)
        if isinstance(node, ast.Call) and called_name(node) in MAKERS and node.args:
            bound = bound.at(node.args[0])
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            bound = bound.at(node.value)
        elif isinstance(node, ast.ListComp) and isinstance(node.elt, ast.Subscript):
            bound = bound.at(node.elt)
        elif isinstance(node, ast.Name | ast.Attribute):
            found = bound_values(evidence, bound.at(node)) or []
            if len(found) != 1 or found[0].item is not None:
                return bound.at(node)
            bound = found[0]
        else:
            return bound.at(node)
    return bound


def is_written_out(bound: Bound | None) -> bool:
    """Return whether weights are numbers in the source, and not computed."""
    return bound is not None and not any(
        isinstance(node, ast.Name | ast.Attribute | ast.Call) for node in ast.walk(bound.node)
    )


def inverted(bound: Bound) -> Patch:
    """Write the inverse of a computed number, or of each of a list."""
    source, node = bound.source, bound.node
    if isinstance(node, ast.ListComp):
        node = node.elt
    if is_written_out(bound):
        message = "the numbers are written out"
        raise EditError(message)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        above, below = (source.owner_text(one) for one in (node.left, node.right))
        return edits.replace(source, [(node, f"{below} / {above}")])
    return edits.replace(source, [(node, f"1.0 / {source.owner_text(node)}")])
