"""A causal convolution sees the past: what is padded on both sides is cut off at the end."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator

ELEMENTWISE = frozenset({"relu", "gelu", "batch_norm", "tanh", "dropout", "leaky_relu", "silu"})
HOPS = 4  # operators between a convolution and the cut
REACH = 2  # steps that a kernel covers beside its own, at least
PADDING, DILATION = 4, 5  # positions among the arguments of conv1d
STRIDE = 3


class Cut(NamedTuple):
    """A slice of the output of a convolution, or the padding of its input."""

    operator: Operator
    reach: int  # steps that the kernel covers beside its own
    sees_future: bool  # whether no step before the own one is left, else no step after it


@rule(
    "a convolution that is padded by the whole reach of its kernel sees the past, not the future",
    stays_quiet="if both sides are kept, and in networks with convolutions of both directions, or "
    "that flip a sequence",
)
def convolution_sees_the_future(evidence: Evidence) -> Iterator[Finding]:
    """Find a causal convolution whose output is cut at the start, or that is padded at the end."""
    require_success(evidence)
    cuts = [cut for operator in evidence.record.operators for cut in _cuts(evidence, operator)]
    flips = any(one.name in {"flip", "__reversed__"} for one in evidence.record.operators)
    wrong = [cut for cut in cuts if cut.sees_future and cut.operator.places]
    if not wrong or len(wrong) < len(cuts) or flips:
        return
    operator, reach, _ = wrong[0]
    padded = operator.name == "pad"
    what = "pads them at the end" if padded else f"cuts the first {reach} steps off"
    yield Finding(
        kind="training/not_learning",
        message="a convolution over a sequence sees future steps, and no past one",
        evidence=f"the kernel reaches over {reach} more steps, and {operator.places[0].text} "
        f"{what}: step t of the output depends on the steps from t to t + {reach} of the input",
        cause=location(operator.places),
        subject=operator.places[0].text,
        candidates=_exchanged(evidence, operator),
        confidence=8,  # more than next_element_seen, which has no fix
    )


def _cuts(evidence: Evidence, operator: Operator) -> Iterator[Cut]:
    """Yield the cut of what a convolution over a sequence has padded by the reach of its kernel."""
    if operator.name != "conv1d" or len(operator.inputs) < 2 or not operator.outputs:  # noqa: PLR2004  (input, weight)
        return
    stride, padding, dilation = (
        _number(operator, position, name, default)
        for position, name, default in (
            (STRIDE, "stride", 1),
            (PADDING, "padding", 0),
            (DILATION, "dilation", 1),
        )
    )
    reach = dilation * (operator.inputs[1].shape[-1] - 1)
    if reach < REACH or stride != 1:
        return
    if padding == reach:
        yield from _slices(evidence, operator, reach)
    before = evidence.record.producer(operator.inputs[0])
    if padding == 0 and before is not None and before.name == "pad":
        sides = before.literals.get(1, before.literals.get("pad"))
        if sides in ((0, reach), [0, reach], (reach, 0), [reach, 0]):
            yield Cut(before, reach, tuple(sides) == (0, reach))


def _number(operator: Operator, position: int, name: str, default: int) -> int:
    """Return an argument of a convolution over one dimension; -1 for a text."""
    value = operator.literals.get(position, operator.literals.get(name, default))
    value = value[0] if isinstance(value, tuple | list) and value else value
    return value if isinstance(value, int) else -1


def _slices(evidence: Evidence, layer: Operator, reach: int) -> Iterator[Cut]:
    """Yield the slice that cuts the output of a layer, maybe after an activation."""
    value = layer.outputs[0]
    for _ in range(HOPS):
        users = evidence.flow.consumers(value)
        for user in users:
            cut = user.name == "__getitem__" and user.outputs and user.places
            if cut and user.outputs[0].shape == (*value.shape[:-1], value.shape[-1] - reach):
                side = _side(evidence, user)
                if side is not None:
                    yield Cut(user, reach, side)
        after = [user for user in users if user.name in ELEMENTWISE and user.outputs]
        if len(after) != 1:
            return
        value = after[0].outputs[0]


def _side(evidence: Evidence, operator: Operator) -> bool | None:
    """Return whether a slice cuts the start off, or only the end; None if that is unknown."""
    found = _last_slice(evidence, operator)
    if found is None:
        return None
    part = found[1]
    if part.step is not None or (part.lower is None) == (part.upper is None):
        return None
    return part.lower is not None


def _last_slice(evidence: Evidence, operator: Operator) -> tuple[Source, ast.Slice] | None:
    """Return the slice of the last dimension in the source."""
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    if source is None or not isinstance(node, ast.Subscript):
        return None
    index = node.slice
    last = index.elts[-1] if isinstance(index, ast.Tuple) and index.elts else index
    return (source, last) if isinstance(last, ast.Slice) else None


def _exchanged(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    """Return the change that cuts the end off instead of the start."""
    found = _last_slice(evidence, operator) if operator.name != "pad" else None
    if found is None or found[1].lower is None or isinstance(found[1].lower, ast.UnaryOp):
        return ()
    source, part = found
    lower = source.text_of(found[1].lower)
    simple = lower.replace(".", "").replace("_", "").isalnum()
    new = f":-{lower}" if simple else f":-({lower})"
    return candidates((0, partial(edits.replace, source, [(part, new)])))
