"""Parameters and buffers with a size of their own, such as a table of positions."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import Spot, spots_of
from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, texts_for
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operator_call
from broken_convnets.commands.diagnose.analysis.sizes.solving import solved_changes
from broken_convnets.commands.diagnose.edits import replace
from broken_convnets.commands.diagnose.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Construction, Operator
    from broken_convnets.observe.recorder.values import Value

FACTORIES = {"zeros", "ones", "empty", "rand", "randn", "normal", "full"}


class Table:
    """The call that creates a parameter or buffer, and its argument for one dimension."""

    def __init__(self, evidence: Evidence, value: Value, axis: int) -> None:
        """Look for the call; `node` is None if it is not found."""
        self.evidence, self.axis, self.value = evidence, axis, value
        self.node: ast.expr | None = None
        self.source: Source | None = None
        self.call: ast.Call | None = None
        self._operator: Operator | None = None
        for operator in evidence.record.operators:
            made = operator.outputs[0].shape if operator.outputs else None
            is_alike = operator.name in FACTORIES and made == value.shape
            if is_alike and not operator.layer and self._read(operator):
                return

    @property
    def location(self) -> Location | None:
        """The line of the call."""
        if self.source is None or self.call is None:
            return None
        return Location(self.source.path, self.call.lineno)

    def _read(self, operator: Operator) -> bool:
        found = operator_call(self.evidence, operator)
        if found is None or found[0].class_of(found[1]) is None:
            return False
        source, call = found
        items = call.args
        if len(items) == 1 and isinstance(items[0], ast.Tuple | ast.List):
            items = items[0].elts
        if len(items) != len(self.value.shape):
            return False
        self.source, self.call, self.node = source, call, items[self.axis]
        self._operator = operator
        return True

    def changes(self, number: int) -> Iterator[tuple[int, Change]]:
        """Yield (rank, change) for the changes that give the dimension a size of `number`."""
        construction = self._construction()
        if self.node is None or self.source is None:
            return
        if construction is None:
            spot = Spot(self.source, self.node)
        else:
            spot = spots_of(self.evidence, self.source, self.node, construction)[0]
            latest = self.evidence.record.last_pass
            shapes = latest.received[0].shape if latest and latest.received else ()
            for first, change in solved_changes(self.evidence, construction, spot, number, shapes):
                yield 0 if first else 2, change
        for text in texts_for(spot, Wanted(number, self.value.shape[self.axis])):
            yield 1, partial(replace, self.source, [(self.node, text)])

    def _construction(self) -> Construction | None:
        """Return a module that is constructed in the same call of the same function."""
        operator = self._operator
        if operator is None:
            return None
        place = operator.places[0]
        found = [
            one
            for one in self.evidence.record.constructions
            if one.places
            and (one.places[0].file, one.places[0].function) == (place.file, place.function)
            and one.places[1:] == operator.places[1:]
        ]
        return max(found, key=lambda one: one.places[0].line, default=None)
