"""A convolution or pooling whose window is larger than what arrives, and its candidates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.branches import Convolution, Step, steps_of
from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    expression_of,
    operands,
    operator_call,
)
from broken_convnets.commands.diagnose.analysis.sizes.layers import position, type_name
from broken_convnets.commands.diagnose.analysis.sizes.lineage import chain, main_input
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER
from broken_convnets.commands.diagnose.analysis.sizes.resizing import padding_changes, set_number
from broken_convnets.commands.diagnose.analysis.sizes.wording import layer_name, sizes
from broken_convnets.commands.diagnose.edits import delete, replace, set_argument
from broken_convnets.commands.diagnose.sites import assigned_name
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.values import Value

SHOWN = 4  # layers that made the images smaller


class Window:
    """A layer or function with a kernel, and what arrives at it."""

    def __init__(self, evidence: Evidence, failed: FailedCall, value: Value) -> None:
        """Find the layers that led to `value`."""
        self.evidence, self.failed, self.value = evidence, failed, value
        self.layer = failed.layer
        self.operators = list(chain(evidence.record, value))

    @property
    def step(self) -> Step | None:
        """The failing layer; None if it is a function."""
        if self.layer is None or self.failed.operator is None:
            return None
        return Step(self.layer, self.failed.construction, self.failed.operator)

    @property
    def described(self) -> str:
        """The kernel, in words."""
        kernel = self.kernel
        size = f"a kernel of {kernel} x {kernel}" if kernel else "the kernel"
        dilation = self._first("dilation")
        wide = f" with dilation {dilation}" if dilation > 1 else ""
        name = f" of {layer_name(self.evidence, self.layer)}" if self.layer is not None else ""
        return f"{size}{wide}{name}"

    @property
    def kernel(self) -> int:
        """The height of the kernel; 0 if it is not known."""
        own = self._first("kernel_size")
        literals = self.failed.operator.literals if self.failed.operator else {}
        found = own or literals.get(1, literals.get("kernel_size", 0))
        found = found[0] if isinstance(found, tuple | list) else found
        return found if isinstance(found, int) else 0

    def _first(self, name: str) -> int:
        value = getattr(self.layer, name, 0)
        value = value[0] if isinstance(value, tuple) else value
        return value if isinstance(value, int) else 0

    @property
    def shrinking(self) -> str:
        """The operators that made the images smaller, the last one first."""
        found = []
        for operator in self.operators:
            before = main_input(operator)
            after = operator.outputs[0].shape if operator.outputs else ()
            height = before.shape[2:] if before is not None else ()
            if height and len(height) == len(after[2:]) and height != after[2:]:
                found.append(f"{operator.name} {sizes(height)} to {sizes(after[2:])}")
        steps = ", ".join(reversed(found[:SHOWN]))
        return f"before it: {steps}" if steps else "the images arrive in this size"

    @property
    def swapped_arguments(self) -> str:
        """Why the positional argument for the dilation is meant for another; empty if it is not."""
        dilation = self._first("dilation")
        site = constructor(self.evidence, self.failed.construction)
        if dilation < 2 or site is None or not isinstance(self.layer, Convolution):  # noqa: PLR2004  (1 is undilated)
            return ""
        place = position(self.layer, "dilation")
        positional = place is not None and len(site.call.args) == place + 1
        if not positional or self.layer.in_channels % dilation:
            return ""
        return f"the argument at position {place} is dilation={dilation}; groups comes after it"

    def changes(self) -> Iterator[Group]:
        """Yield the candidates."""
        if self.swapped_arguments:
            yield 0, "", self._as_groups()
        if isinstance(self.layer, Convolution) and self.step:
            yield from self._convolution_changes(self.step)
        elif self.layer is None or "Pool" in type_name(self.layer):
            yield from self._pool_changes()
        for step in self.path_steps():
            if isinstance(step.layer, Convolution) and step.layer.stride[0] > 1:
                yield (
                    LATER + 1,
                    "keeps a larger size before",
                    set_number(self.evidence, step, "stride", 1),
                )
        yield LATER + 2, "leaves out a pooling before", self._without_pool_before()

    def path_steps(self) -> list[Step]:
        """Return the layers that led here, the last one first."""
        return steps_of(self.evidence.record, self.operators)

    def _as_groups(self) -> list[Change]:
        site = constructor(self.evidence, self.failed.construction)
        place = position(self.layer, "dilation") if self.layer is not None else None
        node = argument(site.call, "dilation", place) if site else None
        if site is None or node is None:
            return []
        text = f"groups={site.source.text_of(node)}"
        return [partial(replace, site.source, [(node, text)])]

    def _convolution_changes(self, step: Step) -> Iterator[Group]:
        height = min(self.value.shape[2:])
        rank = LATER if self.swapped_arguments else 0
        pads = rank, "pads the input", padding_changes(self.evidence, step)
        fits = rank, "a smaller kernel", set_number(self.evidence, step, "kernel_size", height)
        yield from (fits, pads) if self._is_last() else (pads, fits)

    def _is_last(self) -> bool:
        """Return whether no convolution is constructed after this one: it reads the whole image."""
        modules = self.evidence.record.constructed_modules()
        later = modules[modules.index(self.layer) + 1 :] if self.layer in modules else []
        return not any(isinstance(module, Convolution) for module in later)

    def _pool_changes(self) -> Iterator[Group]:
        """Yield global pooling for a large window, or no pooling for a small one."""
        yield 0, "pools over all that is left", self._adaptive()
        yield 1, "without this pooling", self._without()

    def _adaptive(self) -> list[Change]:
        rank = len(self.value.shape) - 2
        if self.kernel <= 2 and max(self.value.shape[2:]) <= 1:  # noqa: PLR2004  (1 is undilated)  (2: halves the size)
            return []
        site = constructor(self.evidence, self.failed.construction)
        operator = self.failed.operator
        kind = "max" if operator is not None and "max" in operator.name else "avg"
        if site is not None:
            prefix = site.called.rpartition(".")[0]
            text = f"{prefix}.Adaptive{kind.title()}Pool{rank}d(1)".lstrip(".")
            return [partial(replace, site.source, [(site.call, text)])]
        call = operator_call(self.evidence, self.failed.operator) if self.failed.operator else None
        if call is None:
            return []
        source, node = call
        prefix = source.text_of(node.func).rpartition(".")[0]
        text = source.text_of(operands(source, node)[0])
        new = f"{prefix}.adaptive_{kind}_pool{rank}d({text}, 1)"
        return [partial(replace, source, [(node, new)])]

    def _without(self) -> list[Change]:
        site = constructor(self.evidence, self.failed.construction)
        if site is not None:
            prefix = site.called.rpartition(".")[0]
            return [
                partial(replace, site.source, [(site.call, f"{prefix}.Identity()".lstrip("."))])
            ]
        found = expression_of(self.evidence, self.failed, self.value)
        call = found[0].call_at(self.failed.places[0]) if found else None
        if found is None or call is None:
            return []
        source, text = found[0], found[0].text_of(found[1])
        statement = source.statement_of(call)
        if statement is not None and assigned_name(source, statement) == text:
            return [partial(delete, source, statement)]
        return [partial(replace, source, [(call, text)])]

    def _without_pool_before(self) -> Iterator[Change]:
        for step in self.path_steps():
            site = constructor(self.evidence, step.construction)
            if "Pool" in type_name(step.layer) and site is not None:
                prefix = site.called.rpartition(".")[0]
                text = f"{prefix}.Identity()".lstrip(".")
                yield partial(replace, site.source, [(site.call, text)])

    def output_padding_changes(self) -> Iterator[Group]:
        """Yield the removal of output_padding, and a stride above it."""
        site, layer = constructor(self.evidence, self.failed.construction), self.layer
        node = argument(site.call, "output_padding", 5) if site else None
        if site is None or node is None or not isinstance(layer, nn.Module) or self.step is None:
            return
        text = site.source.text_of(site.call)
        for part in (f", output_padding={site.source.text_of(node)}",):
            yield 0, "", [partial(replace, site.source, [(site.call, text.replace(part, ""))])]
        place = position(layer, "output_padding")
        yield 1, "", [partial(set_argument, site.source, site.call, "output_padding", place, "0")]
        yield (
            0,
            "upsamples",
            set_number(self.evidence, self.step, "stride", self._first("output_padding") + 1),
        )
