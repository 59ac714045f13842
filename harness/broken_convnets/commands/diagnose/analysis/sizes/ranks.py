"""Why a layer receives a tensor with a dimension too many or too few."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    operands,
    operator_call,
    without,
)
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.rank_changes import WrongRank, input_of
from broken_convnets.commands.diagnose.analysis.sizes.sequences import moved_after, renamed_layer
from broken_convnets.commands.diagnose.analysis.sizes.wording import constructed, shape
from broken_convnets.commands.diagnose.edits import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
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
    one = _Explained(evidence, failed, layer, value, needed)
    yield from one.duplicate_name()
    yield from one.flattened_before()
    yield from one.squeezed()
    yield from one.unsqueezed()
    yield from one.too_many()
    yield from one.too_few()


class _Explained(WrongRank):
    """The mistakes that may have led to a wrong rank."""

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
        operator = self.last(FLATTENS)
        before = input_of(operator)
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
            cause=self.location(operator),
        )

    def squeezed(self) -> Iterator[Explanation]:
        """Explain a squeeze that removes the batch dimension of one sample."""
        operator = self.last({"squeeze"})
        before = input_of(operator)
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
            cause=self.location(operator),
        )

    def unsqueezed(self) -> Iterator[Explanation]:
        """Explain a dimension of size 1 that the user's own code adds."""
        operator = self.last({"unsqueeze"})
        before = input_of(operator)
        if operator is None or before is None or self.rank <= max(self.needed):
            return
        extra = f"unsqueeze adds a dimension to {shape(before)}"
        yield Explanation(
            "shape/extra_batch_dim",
            ranked((0, "", without(self.evidence, operator)), (LATER, "", self.squeezes())),
            f"{extra}, and the batch has one already: {shape(self.value)}",
            cases=("shape/extra_batch_dimension",),
            cause=self.location(operator),
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
            groups.append((0, "", self.squeezes()))
            kind = "shape/extra_batch_dim" if kind == "shape/5d_into_conv2d" else kind
        groups += [
            (0 if self.is_norm or not ones else LATER, "", self.other_kind()),
            (LATER, "", self.folded()),
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
            self.came_from(),
            cases=(cases[kind],),
            cause=self._cause_of_extra(ones),
        )

    def _cause_of_extra(self, ones: list[int]) -> Location | None:
        if ones and not self.is_norm:
            return self.call()
        return self.constructor() if self.other_kind() else None

    def too_few(self) -> Iterator[Explanation]:
        """Explain a missing batch or channel dimension, or a flat input."""
        missing = min(self.needed) - self.rank
        groups: list[Group] = []
        kind, cases = "shape/missing_batch_or_flat_input", ("batch/unbatched_image",)
        if self.is_norm and self.rank in {2, 3}:
            kind, cases = "shape/norm_dim", ("shape/duplicate_layer_name",)
            groups.append((0, "", self.other_kind()))
        elif self.rank > MATRIX and self.channels == self.value.shape[1] and self.other_kind():
            kind, cases = "shape/channels_mismatch", ("shape/conv3d_on_2d_images",)
            groups.append((0, "", self.other_kind()))
        own = self.constructor() if groups else None
        groups += [(0, "", self.in_samples() if missing == 1 else [])]
        groups += [(0, "", self.with_dimensions(missing))]
        yield Explanation(
            kind,
            ranked(*groups),
            self.came_from(),
            cases=cases,
            cause=own or self.sample() or self.call(),
        )
