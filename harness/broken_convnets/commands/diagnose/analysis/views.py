"""Values that share their memory: views of a tensor, and what in-place operators make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.values import Value

VIEWS = frozenset(
    {"view", "view_as", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand"}
    | {"permute", "transpose", "t", "movedim", "swapaxes", "__get__ T", "__get__ mT", "contiguous"}
    | {"__getitem__", "select", "narrow", "unbind", "split", "chunk", "diagonal", "unfold"}
)


def same_memory(evidence: Evidence, value: Value) -> Iterator[Value]:
    """Yield a value, earlier ones of its tensor, what these are views of, and views of them.

    `reshape` and `contiguous` copy some tensors, which makes no difference to their shapes.
    """
    bases = [value]
    for one in bases:  # it grows
        producer = evidence.record.producer(one)
        if producer is None or not producer.inputs:
            continue
        kept = producer.name in VIEWS or one in producer.changed
        bases += [v for v in producer.inputs[:1] if kept and v not in bases]
    for base in bases:
        yield base
        for operator in evidence.flow.consumers(base):
            yield from operator.outputs if operator.name in VIEWS else ()
