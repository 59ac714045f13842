"""An input with another number of dimensions than its layer needs, and changes of both."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    is_network_input,
    network_location,
    operator_call,
    origin_location,
    wrap_failing,
    wrap_network,
    wrap_origin,
)
from broken_convnets.commands.diagnose.analysis.sizes.layers import (
    declared,
    input_argument,
    type_name,
)
from broken_convnets.commands.diagnose.analysis.sizes.lineage import chain
from broken_convnets.commands.diagnose.analysis.sizes.spatial import square_side
from broken_convnets.commands.diagnose.analysis.sizes.wording import constructed
from broken_convnets.commands.diagnose.edits import replace
from broken_convnets.commands.diagnose.findings import Location

if TYPE_CHECKING:
    from torch import nn

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

FLATTENS = {"flatten", "view", "reshape"}
MATRIX = 2


class WrongRank:
    """A layer, and an input with another number of dimensions than it needs."""

    def __init__(
        self,
        evidence: Evidence,
        failed: FailedCall,
        layer: nn.Module,
        value: Value,
        needed: tuple[int, ...],
    ) -> None:
        """Read what the layer declares, and which operators led to its input."""
        self.evidence, self.failed, self.layer = evidence, failed, layer
        self.value, self.needed = value, needed
        self.rank = len(value.shape)
        name = input_argument(layer)
        self.channels = declared(layer, name) if name else None
        self.is_norm = "Norm" in type_name(layer)
        self.operators = list(chain(evidence.record, value))

    def with_dimensions(self, missing: int) -> list[Change]:
        """Return the changes that add what is missing."""
        found = self.value.shape
        templates: list[str] = []
        if missing == 1:
            channel = self.channels == 1
            templates = ["{}.unsqueeze(1)", "{}.unsqueeze(0)"]
            templates = templates if channel or not found else templates[::-1]
        elif len(found) == missing == MATRIX and self.channels == 1 and found[0] == found[1]:
            templates = ["{}[None, None]"]
        elif len(found) == MATRIX and self.channels == found[1]:
            templates = ["{}" + f"[:, :{', None' * missing}]"]
        elif len(found) == MATRIX and self.channels and found[1] % self.channels == 0:
            side = square_side(found[1] // self.channels)
            if side and missing == MATRIX:
                templates = [f"{{}}.view(-1, {self.channels}, {side}, {side})"]
        return [change for template in templates for change in self.wrapped(template)]

    def in_samples(self) -> list[Change]:
        """Return the changes that add a channel to each sample, if a loader has stacked them."""
        if not self._are_stacked():
            return []
        return wrap_origin(self.evidence, self.value, {self.rank - 1: "{}.unsqueeze(0)"})

    def sample(self) -> Location | None:
        """Return the line that makes a sample without its channel, if a loader stacks them."""
        return origin_location(self.evidence, self.value) if self._are_stacked() else None

    def _are_stacked(self) -> bool:
        """Return whether the input is a batch of a loader, whose samples have no channels."""
        stacks = [one for one in self.operators if one.name == "stack"]
        return self.channels == 1 and is_network_input(self.evidence, self.value) and bool(stacks)

    def wrapped(self, template: str) -> list[Change]:
        """Return the change that wraps the input, at the network's call if it is its argument."""
        if is_network_input(self.evidence, self.value):
            return wrap_network(self.evidence, self.failed, template) or wrap_failing(
                self.evidence, self.failed, self.value, template
            )
        return wrap_failing(self.evidence, self.failed, self.value, template)

    def squeezes(self) -> list[Change]:
        """Return the changes that remove a dimension of size 1."""
        ones = [d for d in range(self.rank) if self.value.shape[d] == 1]
        fitting = [d for d in ones if self.fits_without(d)] or ones
        return [change for d in fitting for change in self.wrapped(f"{{}}.squeeze({d})")]

    def fits_without(self, dimension: int) -> bool:
        """Return whether the channels are in dimension 1 without another dimension."""
        rest = [s for d, s in enumerate(self.value.shape) if d != dimension]
        return len(rest) > 1 and (self.channels is None or rest[1] == self.channels)

    def folded(self) -> list[Change]:
        """Return the changes that fold a dimension of frames into the batch."""
        frames = self.rank > MATRIX and self.value.shape[2] == self.channels
        template = "{}.flatten(0, 1)" if frames else "{}.flatten(2)"
        return wrap_failing(self.evidence, self.failed, self.value, template)

    def other_kind(self) -> list[Change]:
        """Return the change to the kind of layer for this rank, such as BatchNorm2d."""
        site = constructor(self.evidence, self.failed.construction)
        number = {2: 1, 3: 1, 4: 2, 5: 3}.get(self.rank)
        if site is None or number is None:
            return []
        if self.channels is not None and self.value.shape[1] != self.channels:
            return []
        text = re.sub(r"\dd$", f"{number}d", site.called)
        return [partial(replace, site.source, [(site.call.func, text)])]

    def last(self, names: set[str]) -> Operator | None:
        """Return the last operator that changed the rank, if it has one of these names."""
        for operator in self.operators:
            before = input_of(operator)
            if before is None or not operator.outputs:
                return None
            if operator.name in names:
                return operator
            if len(before.shape) != len(operator.outputs[0].shape) and operator.name != "stack":
                return None
        return None

    def location(self, operator: Operator) -> Location | None:
        """Return the line where the user calls an operator."""
        found = operator_call(self.evidence, operator)
        return Location(found[0].path, found[1].lineno) if found else None

    def constructor(self) -> Location | None:
        """Return the line that constructs the layer."""
        site = constructor(self.evidence, self.failed.construction)
        return Location(site.source.path, site.call.lineno) if site else None

    def call(self) -> Location | None:
        """Return the line that calls the network, if the input is its argument."""
        if is_network_input(self.evidence, self.value):
            return network_location(self.evidence)
        return None

    def came_from(self) -> str:
        """Say where the input comes from, and what the layer is."""
        own = constructed(self.evidence, self.failed.construction)
        text = "the network was called with it" if self.call() else "the layers before return it"
        return f"{text}; the layer is {own}" if own else text


def input_of(operator: Operator | None) -> Value | None:
    """Return the tensor that an operator works on; None if there is none."""
    if operator is None:
        return None
    return next((value for value in operator.inputs if not value.parameter), None)
