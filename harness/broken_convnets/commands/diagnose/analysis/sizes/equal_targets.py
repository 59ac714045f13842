"""Explain outputs and targets whose shapes differ in a loss that needs equal ones."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, argument_changes
from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.layers import declared, output_argument
from broken_convnets.commands.diagnose.analysis.sizes.lineage import main_input, origin
from broken_convnets.commands.diagnose.analysis.sizes.losses import BINARY, Loss
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.resizing import (
    functional,
    input_sized_changes,
    own_size_changes,
    where_size_is_lost,
)
from broken_convnets.commands.diagnose.analysis.sizes.wording import described, location_of, shape
from broken_convnets.commands.diagnose.edits import Patch, replace

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change

IMAGES, MATRIX = 4, 2


def equal_explanations(found: Loss) -> Iterator[Explanation]:
    """Yield the explanations that fit, the most specific first."""
    for explain in (
        _extra_dimension,
        _two_outputs,
        _flattened,
        _several_each,
        _other_size,
        _other_width,
    ):
        yield from explain(found)


def _kind(found: Loss) -> str:
    return "loss/bce_shape" if found.name in BINARY else "loss/target_shape"


def _without(shape_: tuple[int, ...], other: tuple[int, ...]) -> int | None:
    """Return the dimension of size 1 that `shape_` has more than `other`."""
    fitting = (
        d for d, s in enumerate(shape_) if s == 1 and (*shape_[:d], *shape_[d + 1 :]) == other
    )
    return next(fitting, None) if len(shape_) > 1 else None


def _extra_dimension(found: Loss) -> Iterator[Explanation]:
    """Explain a dimension of size 1 that only one of the two has."""
    output, target = found.output.shape, found.target.shape
    more, less = _without(output, target), _without(target, output)
    if more is not None:
        groups = [
            (0, "", found.on_output(f"{{}}.squeeze({more})")),
            (LATER, "", found.on_target(f"{{}}.unsqueeze({more})")),
        ]
        text = f"the output has dimension {more} of size 1, the target does not"
    elif less is not None:
        groups = [
            (0, "", found.on_target(f"{{}}.squeeze({less})")),
            (LATER, "", found.on_output(f"{{}}.unsqueeze({less})")),
        ]
        text = f"the target has dimension {less} of size 1, the output does not"
    else:
        return
    case = ("loss/bce_logits_shape_mismatch",)
    yield Explanation(_kind(found), ranked(*groups), text, cases=case)


def _two_outputs(found: Loss) -> Iterator[Explanation]:
    """Explain one score for each class, with class indices as targets."""
    output, target = found.output.shape, found.target.shape
    classes_given = found.name in BINARY or found.target.dtype is torch.int64
    if len(output) != len(target) + 1 or not target or output[0] != target[0] or not classes_given:
        return
    if (output[0], *output[2:]) != target:
        return
    classes = [
        change
        for labels in ("{}", "{}.long()")
        for change in found.another("cross_entropy", "CrossEntropyLoss", labels)
    ]
    one_hot = f"{functional(found.source)}.one_hot({{}}.long(), {output[1]}).float()"
    yield Explanation(
        "loss/wrong_loss",
        ranked(
            (0, "", [partial(_cross_entropy, found), *classes]),
            (LATER, "", found.on_target(one_hot)),
        ),
        f"the network returns {output[1]} scores for each sample, one for each class; "
        f"{found.name} needs one score for each target",
        cases=("loss/two_outputs_with_bce",) if found.name in BINARY else (),
        cause=location_of(found.evidence, found.failed.construction),
    )


def _cross_entropy(found: Loss) -> Patch:
    """Replace the loss by cross_entropy, with the scores before a sigmoid and class indices."""
    source, (_, target) = found.source, found.nodes
    changes: list[tuple[ast.expr | ast.stmt, str]] = []
    text = source.text_of(target)
    changes.append((target, text.removesuffix(".float()")))
    sigmoid = _sigmoid(found)
    if sigmoid is not None:
        changes.append((sigmoid, source.text_of(sigmoid.args[0])))
    called = source.text_of(found.call.func)
    changes.append((found.call.func, called.replace(found.name, "cross_entropy")))
    return replace(source, changes)


def _sigmoid(found: Loss) -> ast.Call | None:
    producer = found.evidence.record.producer(found.output)
    place = producer.place if producer and producer.name == "sigmoid" else None
    call = found.source.call_at(place) if place and place.file == found.source.path else None
    return call if call is not None and len(call.args) == 1 else None


def _flattened(found: Loss) -> Iterator[Explanation]:
    """Explain a flat output with images as targets, or the reverse."""
    output, target = found.output.shape, found.target.shape
    if len(output) == len(target) or output[0] != target[0]:
        return
    if math.prod(output) != math.prod(target):
        return
    flat = found.on_target("{}.flatten(1)") if len(output) == MATRIX else []
    alike = found.on_output(f"{{}}.view_as({found.source.text_of(found.nodes[1])})")
    yield Explanation(
        _kind(found),
        ranked((0, "", [*flat, *alike])),
        f"both have {math.prod(output[1:])} values for each sample, in different shapes",
    )


def _several_each(found: Loss) -> Iterator[Explanation]:
    """Explain several numbers for each target, as a map of scores that was flattened."""
    output, target = found.output.shape, found.target.shape
    if len(output) != 1 or len(target) != 1 or output[0] <= target[0] or output[0] % target[0]:
        return
    before = next((s for s in _shapes(found) if s[:1] == target and len(s) > 1), None)
    if before is not None:
        yield Explanation(
            _kind(found),
            (),
            f"{list(before)} was flattened: the network returns {output[0] // target[0]} numbers "
            "for each target; its last layer must leave one, or they need their mean",
        )


def _shapes(found: Loss) -> list[tuple[int, ...]]:
    """Return the shapes of the values that lead to the output, the last first."""
    before = (main_input(operator) for operator in found.path.operators)
    return [value.shape for value in before if value is not None]


def _other_size(found: Loss) -> Iterator[Explanation]:
    """Explain an image of another height or width than its target."""
    output, target = found.output.shape, found.target.shape
    if len(output) != len(target) or len(output) < IMAGES or output[2:] == target[2:]:
        return
    size = f"{found.source.text_of(found.nodes[1])}.shape[2:]"
    resized = f"{functional(found.source)}.interpolate({{}}, size={size})"
    own = list(own_size_changes(found.evidence, found.path, target[-1]))
    own += [(LATER - 1, "", list(input_sized_changes(found.evidence, found.path)))]
    lossy = where_size_is_lost(found.path, target[-1])
    step = lossy or next(iter(found.path.transposed), None)
    yield Explanation(
        "shape/odd_size_down_up",
        ranked(*own, (LATER, "resizes the output", found.on_output(resized))),
        f"the output is {list(output[2:])}, the target {list(target[2:])}",
        cases=("shape/decoder_output_size_mismatch",),
        cause=location_of(found.evidence, step.construction) if step else None,
    )


def _other_width(found: Loss) -> Iterator[Explanation]:
    """Explain another number of channels or outputs than the target has."""
    output, target = found.output.shape, found.target.shape
    differing = [d for d, (a, b) in enumerate(zip(output, target, strict=False)) if a != b]
    if len(output) != len(target) or len(differing) != 1 or differing == [0]:
        return
    axis = differing[0]
    made = origin(found.evidence.record, found.output, output[axis])
    changes: list[Change] = []
    if made.layer is not None:
        name = output_argument(made.layer)
        wanted = Wanted(target[axis], declared(made.layer, name))
        changes = argument_changes(found.evidence, made.construction, made.layer, name, wanted)
    yield Explanation(
        _kind(found),
        ranked((0, "", changes)),
        f"{shape(found.output)} is {described(found.evidence, made)}",
        cause=location_of(found.evidence, made.construction) if made.layer is not None else None,
    )
