"""Why a layer receives a tensor with a dimension too many or too few."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.edits import replace
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.sizes.arguments import constructor
from broken_convnets.commands.diagnose.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.sizes.expressions import (
    is_network_input,
    network_location,
    operands,
    operator_call,
    without,
    wrap_failing,
    wrap_network,
)
from broken_convnets.commands.diagnose.sizes.layers import declared, input_argument, type_name
from broken_convnets.commands.diagnose.sizes.lineage import chain
from broken_convnets.commands.diagnose.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.sizes.sequences import moved_after, renamed_layer
from broken_convnets.commands.diagnose.sizes.spatial import square_side
from broken_convnets.commands.diagnose.sizes.wording import constructed, shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.failing import FailedCall
    from broken_convnets.commands.diagnose.sizes.changes import Change
    from broken_convnets.commands.diagnose.sizes.mismatch import Group
    from broken_convnets.observe.recorder.record import Operator
    from broken_convnets.observe.recorder.values import Value

FLATTENS = {"flatten", "view", "reshape"}
MATRIX = 2


def explanations(
    evidence: Evidence,
    failed: FailedCall,
    layer: nn.Module,
    value: Value,
    needed: tuple[int, ...],
) -> Iterator[Explanation]:
    """Yield the explanations that fit, the most specific first."""
    one = _Wrong(evidence, failed, layer, value, needed)
    yield from one.duplicate_name()
    yield from one.flattened_before()
    yield from one.squeezed()
    yield from one.unsqueezed()
    yield from one.too_many()
    yield from one.too_few()


class _Wrong:
    """A layer, and an input with another number of dimensions than it needs."""

    def __init__(
        self,
        evidence: Evidence,
        failed: FailedCall,
        layer: nn.Module,
        value: Value,
        needed: tuple[int, ...],
    ) -> None:
        self.evidence, self.failed, self.layer = evidence, failed, layer
        self.value, self.needed = value, needed
        self.rank = len(value.shape)
        name = input_argument(layer)
        self.channels = declared(layer, name) if name else None
        self.is_norm = "Norm" in type_name(layer)
        self.operators = list(chain(evidence.record, value))

    def duplicate_name(self) -> Iterator[Explanation]:
        """Explain a layer that a later one with the same name replaced."""
        change = renamed_layer(self.evidence, self.failed)
        if change and self.is_norm:
            yield Explanation(
                "shape/norm_dim",
                ranked((0, "", change.changes)),
                f"{change.name} is assigned twice: "
                f"{constructed(self.evidence, self.failed.construction)} replaces the first one",
                cases=("shape/duplicate_layer_name",),
                cause=change.location,
            )

    def flattened_before(self) -> Iterator[Explanation]:
        """Explain a flatten that comes before the layer instead of after it."""
        operator = self._last(FLATTENS)
        before = _input(operator)
        if operator is None or before is None or len(before.shape) not in self.needed:
            return
        if self.channels is not None and before.shape[1] != self.channels:
            return
        groups: list[Group] = [
            (0, "", moved_after(self.evidence, self.failed, operator, self.layer)),
            (LATER, "", without(self.evidence, operator)),
        ]
        yield Explanation(
            "shape/norm_dim" if self.is_norm else "shape/flat_into_conv",
            ranked(*groups),
            f"{shape(before)} is flattened to {shape(self.value)} before this layer",
            cases=("shape/flatten_before_conv",),
            cause=self._location(operator),
        )

    def squeezed(self) -> Iterator[Explanation]:
        """Explain a squeeze that removes the batch dimension of one sample."""
        operator = self._last({"squeeze"})
        before = _input(operator)
        if operator is None or before is None:
            return
        call = operator_call(self.evidence, operator)
        one = before.shape[0] == 1 and len(before.shape) > self.rank
        if not call or not one or any(isinstance(k, int) and k for k in operator.literals):
            return
        source, node = call
        text = source.text_of(operands(source, node)[0])
        trailing = [d for d, size in enumerate(before.shape) if d and size == 1]
        squeeze = f"{text}.squeeze({', '.join(map(str, trailing[:1]))})"
        dims = f"{text}.squeeze(({', '.join(map(str, trailing))}))"
        options = [f"torch.flatten({text}, 1)", squeeze if len(trailing) == 1 else dims]
        yield Explanation(
            "shape/squeeze_batch_of_one",
            ranked((0, "", [partial(replace, source, [(node, new)]) for new in options])),
            f"squeeze() removes every dimension of size 1 of {shape(before)}, the batch too",
            cases=("batch/squeezed_batch_of_one",),
            cause=self._location(operator),
        )

    def unsqueezed(self) -> Iterator[Explanation]:
        """Explain a dimension of size 1 that the user's own code adds."""
        operator = self._last({"unsqueeze"})
        before = _input(operator)
        if operator is None or before is None or self.rank <= max(self.needed):
            return
        extra = f"unsqueeze adds a dimension to {shape(before)}"
        yield Explanation(
            "shape/extra_batch_dim",
            ranked((0, "", without(self.evidence, operator)), (LATER, "", self._squeezes())),
            f"{extra}, and the batch has one already: {shape(self.value)}",
            cases=("shape/extra_batch_dimension",),
            cause=self._location(operator),
        )

    def too_many(self) -> Iterator[Explanation]:
        """Explain a dimension too many in the data, or a layer for fewer dimensions."""
        if self.rank <= max(self.needed):
            return
        ones = [d for d in range(self.rank) if self.value.shape[d] == 1]
        kinds = {4: "shape/4d_into_conv1d", 5: "shape/5d_into_conv2d"}
        kind = "shape/norm_dim" if self.is_norm else kinds.get(self.rank, "shape/extra_batch_dim")
        groups: list[Group] = []
        if ones:
            groups.append((0, "", self._squeezes()))
            kind = "shape/extra_batch_dim" if kind == "shape/5d_into_conv2d" else kind
        groups += [
            (0 if self.is_norm or not ones else LATER, "", self._other_kind()),
            (LATER, "", self._folded()),
        ]
        cases = {
            "shape/4d_into_conv1d": "shape/conv1d_4d_input",
            "shape/5d_into_conv2d": "shape/video_into_conv2d",
            "shape/norm_dim": "shape/duplicate_layer_name",
            "shape/extra_batch_dim": "shape/extra_batch_dimension",
        }
        yield Explanation(
            kind,
            ranked(*groups),
            self._came_from(),
            cases=(cases[kind],),
            cause=self._cause_of_extra(ones),
        )

    def _cause_of_extra(self, ones: list[int]) -> Location | None:
        if ones and not self.is_norm:
            return self._call()
        return self._constructor() if self._other_kind() else None

    def too_few(self) -> Iterator[Explanation]:
        """Explain a missing batch or channel dimension, or a flat input."""
        missing = min(self.needed) - self.rank
        groups: list[Group] = []
        kind, cases = "shape/missing_batch_or_flat_input", ("batch/unbatched_image",)
        if self.is_norm and self.rank in {2, 3}:
            kind, cases = "shape/norm_dim", ("shape/duplicate_layer_name",)
            groups.append((0, "", self._other_kind()))
        groups += [(0, "", self._with_dimensions(missing))]
        yield Explanation(
            kind,
            ranked(*groups),
            self._came_from(),
            cases=cases,
            cause=self._constructor() if groups[1:] else self._call(),
        )

    def _with_dimensions(self, missing: int) -> list[Change]:
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
        return [change for template in templates for change in self._wrapped(template)]

    def _wrapped(self, template: str) -> list[Change]:
        if is_network_input(self.evidence, self.value):
            return wrap_network(self.evidence, self.failed, template) or wrap_failing(
                self.evidence, self.failed, self.value, template
            )
        return wrap_failing(self.evidence, self.failed, self.value, template)

    def _squeezes(self) -> list[Change]:
        ones = [d for d in range(self.rank) if self.value.shape[d] == 1]
        fitting = [d for d in ones if self._fits_without(d)] or ones
        return [change for d in fitting for change in self._wrapped(f"{{}}.squeeze({d})")]

    def _fits_without(self, dimension: int) -> bool:
        rest = [s for d, s in enumerate(self.value.shape) if d != dimension]
        return len(rest) > 1 and (self.channels is None or rest[1] == self.channels)

    def _folded(self) -> list[Change]:
        """Return the changes that fold a dimension of frames into the batch."""
        frames = self.rank > MATRIX and self.value.shape[2] == self.channels
        template = "{}.flatten(0, 1)" if frames else "{}.flatten(2)"
        return wrap_failing(self.evidence, self.failed, self.value, template)

    def _other_kind(self) -> list[Change]:
        """Return the change to the kind of layer for this rank, such as BatchNorm2d."""
        site = constructor(self.evidence, self.failed.construction)
        number = {2: 1, 3: 1, 4: 2, 5: 3}.get(self.rank)
        if site is None or number is None:
            return []
        if self.channels is not None and self.value.shape[1] != self.channels:
            return []
        text = re.sub(r"\dd$", f"{number}d", site.called)
        return [partial(replace, site.source, [(site.call.func, text)])]

    def _last(self, names: set[str]) -> Operator | None:
        """Return the last operator that changed the rank, if it has one of these names."""
        for operator in self.operators:
            before = _input(operator)
            if before is None or not operator.outputs:
                return None
            if operator.name in names:
                return operator
            if len(before.shape) != len(operator.outputs[0].shape) and operator.name != "stack":
                return None
        return None

    def _location(self, operator: Operator) -> Location | None:
        found = operator_call(self.evidence, operator)
        return Location(found[0].path, found[1].lineno) if found else None

    def _constructor(self) -> Location | None:
        site = constructor(self.evidence, self.failed.construction)
        return Location(site.source.path, site.call.lineno) if site else None

    def _call(self) -> Location | None:
        if is_network_input(self.evidence, self.value):
            return network_location(self.evidence)
        return None

    def _came_from(self) -> str:
        own = constructed(self.evidence, self.failed.construction)
        text = "the network was called with it" if self._call() else "the layers before return it"
        return f"{text}; the layer is {own}" if own else text


def _input(operator: Operator | None) -> Value | None:
    if operator is None:
        return None
    return next((value for value in operator.inputs if not value.parameter), None)
