"""Candidate changes for two operands whose heights and widths differ."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.branches import keeps_size
from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, argument_changes
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operator_call, wrapped
from broken_convnets.commands.diagnose.analysis.sizes.helpers import setting_of
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER
from broken_convnets.commands.diagnose.edits import replace, set_argument

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator, Sequence

    from torch import nn

    from broken_convnets.commands.diagnose.analysis.sizes.branches import Branch, Step
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

FIRST_SPATIAL = 2


def own_size_changes(evidence: Evidence, branch: Branch, wanted: int) -> Iterator[Group]:
    """Yield the changes of the layers of one branch that may return the size of the other.

    `wanted` is the height or width that the other branch has.
    """
    now = branch.value.shape[-1]
    for step in branch.convolutions:
        if not keeps_size(step.layer) and step.layer.stride[0] == 1:
            yield 0, "", padding_changes(evidence, step)
            yield 1, "", _kernel_changes(evidence, step)
    for step in branch.transposed:
        yield from _transposed_changes(evidence, step, grow=wanted > now)


def where_size_is_lost(branch: Branch, wanted: int) -> Step | None:
    """Return the one layer of a branch that does not return the size which the others keep.

    Of transposed convolutions it is the first that lacks an `output_padding`. None if there are
    several, as in a network without any padding.
    """
    grow = wanted > branch.value.shape[-1]
    short = [s for s in reversed(branch.transposed) if grow and _lacks_output_padding(s.layer)]
    if short:
        return short[0]
    others = branch.transposed or any(int(s.layer.stride[0]) > 1 for s in branch.convolutions)
    lossy = [s for s in branch.convolutions if not keeps_size(s.layer)]
    lossy = [s for s in lossy if s.layer.stride[0] == 1]
    places = {s.construction.places[:1] for s in lossy if s.construction}
    return lossy[0] if len(places) == 1 and not others else None


def _lacks_output_padding(layer: nn.Module) -> bool:
    """Return whether a transposed convolution returns less than its stride times its input."""
    kernel, stride = int(layer.kernel_size[0]), int(layer.stride[0])
    missing = stride - kernel + 2 * int(layer.padding[0]) - int(layer.output_padding[0])
    return 0 < missing < stride


def padding_changes(evidence: Evidence, step: Step) -> list[Change]:
    """Return the change that lets a convolution keep the height and width."""
    kernel, dilation = step.layer.kernel_size[0], step.layer.dilation[0]
    same, odd = divmod(int(dilation) * (int(kernel) - 1), 2)
    return [] if odd else set_number(evidence, step, "padding", same)


def _kernel_changes(evidence: Evidence, step: Step) -> list[Change]:
    """Return the change to the kernel for which the padding keeps the height and width."""
    padding, dilation = step.layer.padding[0], step.layer.dilation[0]
    kernel, rest = divmod(2 * int(padding), int(dilation))
    return [] if rest or not padding else set_number(evidence, step, "kernel_size", kernel + 1)


def set_number(evidence: Evidence, step: Step, name: str, number: int) -> list[Change]:
    """Return the changes that set an argument of a layer's constructor to a number."""
    now = getattr(step.layer, name, None)
    now = now[0] if isinstance(now, tuple) and now else now
    wanted = Wanted(number, now if isinstance(now, int) else None)
    return argument_changes(evidence, step.construction, step.layer, name, wanted)


def _transposed_changes(evidence: Evidence, step: Step, *, grow: bool) -> Iterator[Group]:
    layer = step.layer
    kernel, padding = int(layer.kernel_size[0]), int(layer.padding[0])
    stride, extra = int(layer.stride[0]), int(layer.output_padding[0])
    exact = kernel == stride + 2 * padding  # then sizes double, and only odd ones are lost
    if grow and extra + 1 < stride:
        rank = LATER + 4 if exact else 0
        yield rank, "", set_number(evidence, step, "output_padding", extra + 1)
    if not grow and extra:
        yield 0, "", set_number(evidence, step, "output_padding", extra - 1)
    if stride == 1 and grow:
        yield 1, "", set_number(evidence, step, "stride", FIRST_SPATIAL)
    if kernel - stride > 2 * padding and not grow:
        yield 1, "", set_number(evidence, step, "padding", (kernel - stride) // 2)
    if kernel != stride and not padding:
        yield LATER, "", set_number(evidence, step, "kernel_size", stride)


def stride_changes(evidence: Evidence, step: Step, other: Branch) -> list[Change]:
    """Return the change that sets the stride of a layer to that of the other branch."""
    strided = [s for s in other.convolutions if s.layer.stride[0] > 1]
    found = setting_of(evidence, step.construction, step.layer, "stride")
    if len(strided) == 1 and found is not None:
        source, call = found.site.source, found.site.call
        text = _stride_text(evidence, strided[0], source)
        if text:
            return [partial(set_argument, source, call, found.name, found.position, text)]
    return set_number(evidence, step, "stride", other.stride)


def _stride_text(evidence: Evidence, step: Step, source: Source) -> str:
    found = setting_of(evidence, step.construction, step.layer, "stride")
    same = found is not None and found.site.source is source
    return source.text_of(found.node) if found and found.node is not None and same else ""


def without_stride(branch: Branch, other: Branch) -> list[Step]:
    """Return the convolutions of a branch, that which lacks the stride of the other one first.

    It is like the one that has it, or the first with a kernel that covers more than one pixel.
    """
    strided = [s.layer for s in other.convolutions if s.layer.stride[0] > 1]
    alike = {(layer.kernel_size, layer.groups > 1) for layer in strided}
    steps = branch.convolutions[::-1]  # from the input to the output
    return sorted(
        steps,
        key=lambda s: (
            (s.layer.kernel_size, s.layer.groups > 1) not in alike,
            max(s.layer.kernel_size) == 1,
        ),
    )


def call_changes(
    evidence: Evidence,
    branch: Branch,
    operand: tuple[Source, ast.expr],
    other: str,
) -> Iterator[Group]:
    """Yield the changes of calls: upsample to the size of the other operand, or crop to it.

    `other` is the text of the other operand.
    """
    source, node = operand
    size = f"{other}.shape[{FIRST_SPATIAL}:]"
    for operator in branch.operators:
        call = operator_call(evidence, operator)
        if call is not None and operator.name in {"interpolate", "upsample"}:
            yield LATER, "", [partial(_interpolated_to, *call, size)]
    for step in branch.transposed[:1]:
        place = step.operator.place
        found = evidence.source(place.file) if place else None
        called = found.call_at(place) if found and place else None
        if found and called and found.text_of(called.func).startswith("self."):
            yield LATER, "", [partial(set_argument, found, called, "output_size", 1, size)]
    function = functional(source)
    resized = f"{function}.interpolate({{}}, size={size})"
    yield LATER + 1, "resizes it to the other one", [wrapped(source, node, resized)]


def input_sized_changes(evidence: Evidence, branch: Branch) -> Iterator[Change]:
    """Yield the changes that let a network upsample to the size of its own input."""
    for operator in branch.operators:
        call = operator_call(evidence, operator)
        function = call[0].function_of(call[1]) if call else None
        names = [one.arg for one in function.args.args] if function else []
        if call and operator.name in {"interpolate", "upsample"} and names[:1] == ["self"]:
            yield partial(_interpolated_to, *call, f"{names[1]}.shape[{FIRST_SPATIAL}:]")


def crop_changes(operand: tuple[Source, ast.expr], other: str, rank: int) -> Sequence[Change]:
    """Return the change that crops the larger operand to the size of the other one."""
    source, node = operand
    ends = ", ".join(f":{other}.shape[{d}]" for d in range(FIRST_SPATIAL, rank))
    return [wrapped(source, node, f"{{}}[..., {ends}]")]


def functional(source: Source) -> str:
    """Return how a file names `torch.nn.functional`."""
    if "functional as F" in source.text:
        return "F"
    return "nn.functional" if "from torch import nn" in source.text else "torch.nn.functional"


def _interpolated_to(source: Source, call: ast.Call, size: str) -> dict[str, str]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if "scale_factor" in keywords:
        text = source.text_of(call)
        old = f"scale_factor={source.text_of(keywords['scale_factor'])}"
        return replace(source, [(call, text.replace(old, f"size={size}", 1))])
    return set_argument(source, call, "size", 1, size)
