"""Why a shape that view names does not fit the tensor, and changes of the shape."""

from __future__ import annotations

import ast
import math
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.changes import (
    Wanted,
    argument_changes,
)
from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operands
from broken_convnets.commands.diagnose.analysis.sizes.layers import declared, output_argument
from broken_convnets.commands.diagnose.analysis.sizes.lineage import origin
from broken_convnets.commands.diagnose.analysis.sizes.merging import fitted_changes
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.spatial import square_side
from broken_convnets.commands.diagnose.analysis.sizes.wording import described, shape, sizes
from broken_convnets.commands.diagnose.edits import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.values import Value

MATRIX = 2
UNKNOWN = -1  # the size that view computes


class View:
    """A call of view or reshape that failed: the tensor, the shape, and the user's expressions."""

    def __init__(
        self, evidence: Evidence, failed: FailedCall, value: Value, shape_: tuple[int, ...]
    ) -> None:
        """Find the call, its receiver and its arguments for the shape."""
        self.evidence, self.failed = evidence, failed
        self.value, self.shape = value, shape_
        self.source: Source | None = evidence.source(failed.places[0].file)
        call = self.source.call_at(failed.places[0]) if self.source else None
        self.call = call
        parts = operands(self.source, call) if self.source and call else []
        self.receiver = parts[0] if parts else None
        self.items = parts[1:] if len(parts) == len(shape_) + 1 else []
        self.per_sample = math.prod(value.shape[1:])

    def explain(self) -> Explanation:
        """Return the mistake that fits, and its candidates."""
        if self._batch_is_fixed():
            return Explanation(
                "shape/hardcoded_batch_size",
                ranked(*self._batch_changes()),
                f"the shape is for {self.shape[0]} samples, and this batch has "
                f"{self.value.shape[0]}{self._from_loader()}",
                cases=("batch/hardcoded_batch_size",),
            )
        made = origin(self.evidence.record, self.value, self.value.shape[-1])
        return Explanation(
            "shape/view_invalid",
            ranked(*self._changes()),
            f"one sample has {sizes(self.value.shape[1:])} = {self.per_sample} values; "
            f"{shape(self.value)} is {described(self.evidence, made)}",
            cases=("shape/view_invalid_size",),
        )

    def _batch_is_fixed(self) -> bool:
        rest = self.shape[1:]
        fixed = self.shape[0] not in {UNKNOWN, self.value.shape[0]} and len(self.value.shape) > 1
        if UNKNOWN in rest:
            known = math.prod(size for size in rest if size != UNKNOWN)
            return fixed and self.per_sample % known == 0
        return fixed and math.prod(rest) == self.per_sample

    def _from_loader(self) -> str:
        sizes_ = {loader.batch_size for loader in self.evidence.record.loaders}
        return ", the last one of an epoch" if self.shape[0] in sizes_ else ""

    def _batch_changes(self) -> Iterator[Group]:
        if len(self.shape) == MATRIX:
            yield 0, "", self._flattened()
        if self.items and self.receiver is not None and self.source is not None:
            text = self.source.text_of(self.receiver)
            own = (
                [self._with({0: f"{text}.size(0)"})] if isinstance(self.receiver, ast.Name) else []
            )
            yield 0, "", [*own, self._with({0: "-1"})]

    def _flattened(self) -> list[Change]:
        if self.source is None or self.call is None or self.receiver is None:
            return []
        text = f"torch.flatten({self.source.text_of(self.receiver)}, 1)"
        return [partial(replace, self.source, [(self.call, text)])]

    def _with(self, texts: dict[int, str]) -> Change:
        source = self.source
        if source is None:
            return dict
        return partial(replace, source, [(self.items[at], text) for at, text in texts.items()])

    def _changes(self) -> Iterator[Group]:
        if len(self.shape) == MATRIX:
            for flat in self._flattened():
                yield 0, "", fitted_changes(self.evidence, flat, self.value, self.shape[1])
        else:
            yield from self._producer_changes()
            yield 0, "", self._square()
        yield LATER, "", self._computed()

    def _producer_changes(self) -> Iterator[Group]:
        """Yield the changes of the layer whose output is reshaped, so that it fits."""
        made = origin(self.evidence.record, self.value, self.value.shape[-1])
        factors = self.shape[1:]
        if made.layer is None or len(self.value.shape) != MATRIX or UNKNOWN in factors:
            return
        name = output_argument(made.layer)
        wanted = Wanted(math.prod(factors), declared(made.layer, name), factors)
        where = made.construction
        yield 0, "", argument_changes(self.evidence, where, made.layer, name, wanted)

    def _square(self) -> list[Change]:
        """Return the change to the height and width that fit the channels."""
        channels = self.shape[1] if len(self.shape) == MATRIX + 2 else 0
        if not self.items or channels < 1 or self.per_sample % channels:
            return []
        side = square_side(self.per_sample // channels)
        return [self._with({2: str(side), 3: str(side)})] if side else []

    def _computed(self) -> Iterator[Change]:
        """Yield the changes that let view compute one of the sizes."""
        if UNKNOWN in self.shape or not self.items:
            return
        total = math.prod(self.value.shape)
        for at in reversed(range(len(self.shape))):
            rest = math.prod(size for k, size in enumerate(self.shape) if k != at)
            if rest and total % rest == 0:
                yield self._with({at: "-1"})
