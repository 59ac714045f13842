"""Which samples the rows of a tensor belong to, if a network has computed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PLAIN = frozenset(
    {"softmax", "log_softmax", "sigmoid", "logsigmoid", "relu", "tanh", "exp", "log", "normalize"}
    | {"add", "sub", "rsub", "mul", "div", "pow", "sqrt", "clamp", "detach", "__get__ data"}
)
COPIES = TRANSPARENT - {"__getitem__", "permute", "t", "transpose", "movedim", "swapaxes"}
COPIES -= {"__get__ T", "narrow", "select", "unbind", "split", "chunk"}
PARTS = frozenset({"split", "chunk"})
HOPS = 12


@dataclass(frozen=True)
class Source:
    """A pass that returned the numbers of a tensor, and the checksums of the samples of its rows.

    Of several passes that are joined, it is the first one.
    """

    forward: ForwardPass
    rows: tuple[int, ...]


class OutputRows:
    """Follows values back to the outputs of networks, if each row stays a row."""

    def __init__(self, evidence: Evidence) -> None:
        """Index the outputs of all passes whose samples are known."""
        self._record = evidence.record
        self._sources: dict[Value, Source] = {}
        for forward in evidence.record.passes:
            for value in forward.returned if forward.parameters and forward.rows else ():
                if value.shape[:1] == (len(forward.rows),):
                    self._sources.setdefault(value, Source(forward, forward.rows))

    def of(self, value: Value) -> Source | None:
        """Return what a value was computed from, row by row; None if that is not known."""
        for _ in range(HOPS):
            found = self._sources.get(value)
            if found is not None:
                return found
            operator = self._record.producer(value)
            if operator is None or not operator.inputs:
                return None
            if operator.name in PARTS | {"cat", "__getitem__"}:
                return self._joined(operator, value)
            before = operator.inputs[0]
            name = plain_name(operator)
            others = [one for one in operator.inputs[1:] if one.shape]
            if name not in PLAIN | COPIES or others or before.shape[:1] != value.shape[:1]:
                return None
            value = before
        return None

    def _joined(self, operator: Operator, value: Value) -> Source | None:
        """Return the rows of a tensor that was joined, split again, or stacked and taken out."""
        if _dimension(operator) != 0:
            return None
        if operator.name == "cat":
            parts = [self.of(one) for one in operator.inputs]
            known = [part for part in parts if part is not None]
            rows = tuple(row for part in known for row in part.rows)
            return Source(known[0].forward, rows) if len(known) == len(parts) > 0 else None
        if operator.name == "__getitem__":
            return self._stacked(operator)
        whole = self.of(operator.inputs[0])
        at = operator.outputs.index(value)
        begin = sum(one.shape[0] for one in operator.outputs[:at])
        rows = whole.rows[begin : begin + value.shape[0]] if whole else ()
        return Source(whole.forward, rows) if whole and len(rows) == value.shape[0] else None

    def _stacked(self, operator: Operator) -> Source | None:
        """Return one of the tensors that were stacked."""
        index = operator.literals.get(1)
        stack = self._record.producer(operator.inputs[0])
        if type(index) is not int or stack is None or stack.name != "stack" or _dimension(stack):
            return None
        inside = -len(stack.inputs) <= index < len(stack.inputs)
        return self.of(stack.inputs[index]) if inside else None


def _dimension(operator: Operator) -> object:
    """Return the dimension that an operator joins or splits."""
    if operator.name == "__getitem__":
        return 0
    position = 2 if operator.name in PARTS else 1
    return operator.literals.get("dim", operator.literals.get(position, 0))
