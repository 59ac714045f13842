"""A number of groups or heads that does not divide the channels, and numbers that do."""

from __future__ import annotations

import inspect
import math
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.sizes.arguments import Spot, spots_of
from broken_convnets.commands.diagnose.analysis.sizes.arithmetic import evaluate
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER
from broken_convnets.commands.diagnose.edits import replace
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.source import argument, called_name
from broken_convnets.observe.recorder.recorded_events import Construction
from broken_convnets.observe.recorder.scopes import scope_of_names

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

# The argument that divides, and those that it divides.
DIVIDERS = {
    "groups": ("in_channels", "out_channels"),
    "num_groups": ("num_channels",),
    "num_heads": ("embed_dim",),
    "nhead": ("d_model",),
}
SHOWN = 6


@dataclass(frozen=True)
class Division:
    """A constructor's argument `name` that does not divide others.

    `number` is its value, and `spots` are the expressions that determine it; `sizes` and `nodes`
    are the values and the expressions of the arguments that it should divide.
    """

    source: Source
    name: str
    number: int
    spots: list[Spot]
    sizes: dict[str, int]
    nodes: dict[str, ast.expr]

    @property
    def divisors(self) -> list[int]:
        """The numbers that divide all sizes, the closest one first."""
        common = math.gcd(*self.sizes.values())
        found = [n for n in range(1, common + 1) if common % n == 0]
        return sorted(found, key=lambda n: (n == 1, abs(n - self.number), n))

    @property
    def shown(self) -> str:
        """The divisors as text."""
        return ", ".join(map(str, sorted(self.divisors)[:SHOWN]))

    @property
    def cause(self) -> Location | None:
        """The line of the number."""
        spot = self.spots[0] if self._are_swapped else self.spots[-1]
        return Location(spot.source.path, spot.node.lineno)

    @property
    def _are_swapped(self) -> bool:
        """Whether the two arguments divide if they are exchanged."""
        sizes = list(self.sizes.values())
        return len(sizes) == 1 and sizes[0] > 0 and self.number % sizes[0] == 0

    def groups(self) -> Iterator[Group]:
        """Yield the candidates: an exchange of the arguments if that divides, else divisors."""
        if self._are_swapped:
            yield 0, "exchanges the two arguments", self.swapped()
        yield LATER if self._are_swapped else 0, "", self.changes()

    def changes(self) -> Iterator[Change]:
        """Yield the changes of the number, the closest divisors first."""
        last = self.spots[-1]
        for divisor in self.divisors[:3]:
            yield partial(replace, last.source, [(last.node, str(divisor))])

    def swapped(self) -> Iterator[Change]:
        """Yield the exchange of the two arguments."""
        own, other = self.spots[0].node, self.nodes[next(iter(self.sizes))]
        texts = self.source.text_of(own), self.source.text_of(other)
        yield partial(replace, self.source, [(own, texts[1]), (other, texts[0])])


def division_of(evidence: Evidence, failed: FailedCall) -> Division | None:
    """Return the arguments of the constructor that raised; None if they cannot be read."""
    frame = failed.frames[0]
    source, call = frame.source, frame.source.call_at(frame.place)
    owner = getattr(nn, called_name(call), None) if call else None
    if call is None or not isinstance(owner, type):
        return None
    names = list(inspect.signature(owner).parameters)
    name = next((one for one in DIVIDERS if one in names), "")
    scope = scope_of_names(frame.scope.local)
    nodes = {
        one: node
        for one in (name, *DIVIDERS.get(name, ()))
        if (node := argument(call, one, names.index(one) if one in names else None)) is not None
    }
    numbers = {one: evaluate(node, scope) for one, node in nodes.items()}
    number = numbers.pop(name, None)
    sizes = {one: size for one, size in numbers.items() if size is not None}
    if number is None or not sizes:
        return None
    scopes = tuple(scope_of_names(one.scope.local) for one in failed.frames)
    stack = Construction("module", name, failed.places, {}, weakref.ref(owner), scopes=scopes)
    spots = spots_of(evidence, source, nodes[name], stack)
    return Division(source, name, number, spots, sizes, nodes)
