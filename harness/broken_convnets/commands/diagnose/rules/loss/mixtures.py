"""Samples that are mixed with other samples of their batch, and the weights of both."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

Weight = float | tuple[int, bool]  # a number, or that of a tensor and whether it is 1 minus it
PICKS = frozenset({"__getitem__", "index_select"})  # with a permutation of the samples
TURNS = {"flip": 1, "roll": 2}  # of an order, and the position of the dimensions
PASTE = "__setitem__"
IMAGES = 4  # dimensions of a batch of images
BACK = 40  # operators that are followed


class Mixture(NamedTuple):
    """A sum of samples and of other samples of the batch, with the weights of both."""

    operator: Operator
    own: Weight
    other: Weight


def mixture_of(evidence: Evidence, operator: Operator | None) -> Mixture | None:
    """Return the weights with which an operator mixes samples and permuted samples."""
    if operator is None or len(operator.inputs) < 2:  # noqa: PLR2004  (two samples)
        return None
    name = plain_name(operator)
    if operator.name == PASTE:
        return _pasted(evidence, operator)
    if name == "lerp":
        return _lerp(evidence, operator)
    if name != "add":
        return None
    parts = [_scaled(evidence, value) for value in operator.inputs]
    for (own, first), (other, second) in (parts, parts[::-1]):
        if first is not None and second is not None and is_permuted(evidence, other, own):
            return normalized(operator, first, second)
    return None


def normalized(operator: Operator, own: Weight, other: Weight) -> Mixture | None:
    """Return a mixture whose numbers have the sum 1, or whose weights are w and 1 - w."""
    if isinstance(own, float) and isinstance(other, float):
        total = own + other
        return Mixture(operator, own / total, other / total) if own >= 0 < total else None
    if isinstance(own, float) or isinstance(other, float):
        return None
    return Mixture(operator, own, other) if own[0] == other[0] and own != other else None


def _lerp(evidence: Evidence, operator: Operator) -> Mixture | None:
    """Return the weights of `torch.lerp(a, b, weight)`, which is a + weight * (b - a)."""
    one, two = operator.inputs[:2]
    number = operator.literals.get(2, operator.literals.get("weight"))
    if not isinstance(number, int | float):
        return None
    if is_permuted(evidence, two, one):
        return Mixture(operator, 1 - number, float(number))
    return Mixture(operator, float(number), 1 - number) if is_permuted(evidence, one, two) else None


def _pasted(evidence: Evidence, operator: Operator) -> Mixture | None:
    """Return the shares of the areas if parts of permuted images are pasted into images."""
    images, patch = operator.inputs[0], operator.inputs[-1]
    if len(images.shape) != IMAGES or len(patch.shape) != IMAGES:
        return None
    value, permuted = patch, False
    for _ in range(BACK):
        maker = evidence.record.producer(value)
        if maker is None or maker.name not in PICKS or value.shape == ():
            break
        permuted = permuted or any(len(one.shape) == 1 for one in maker.inputs[1:])
        value = maker.inputs[0]
    whole, part = prod(images.shape[2:]), prod(patch.shape[2:])
    if not permuted or not 0 < part < whole or not _share_images(evidence, value, images):
        return None
    return Mixture(operator, 1 - part / whole, part / whole)


def _share_images(evidence: Evidence, value: Value, images: Value) -> bool:
    """Return whether both are one batch, or copies of it."""
    return value in evidence.flow.ancestors([images]) or images in evidence.flow.ancestors([value])


def _scaled(evidence: Evidence, value: Value) -> tuple[Value, Weight | None]:
    """Return what a value is a multiple of, and how often."""
    operator = evidence.record.producer(value)
    if operator is None or plain_name(operator) != "mul":
        return value, None
    number = number_in(operator)
    if number is not None:
        return operator.inputs[0], number
    if len(operator.inputs) == 2:  # noqa: PLR2004  (two factors)
        samples, factor = sorted(operator.inputs, key=lambda v: len(v.shape), reverse=True)
        return samples, weight_of(
            evidence, (factor,), 1.0 if factor.scalar is None else factor.scalar
        )
    return value, None


def weight_of(evidence: Evidence, weights: tuple[Value, ...], factor: float) -> Weight:
    """Return a weight as a number if it is known, else as the tensor that it is."""
    unknown = [one for one in weights if one.scalar is None]
    if len(unknown) != 1:
        return factor
    value, complement = unknown[0], False
    for _ in range(BACK):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            break
        if operator.name not in TRANSPARENT:
            if plain_name(operator) != "rsub" or 1 not in operator.literals.values():
                break
            complement = not complement
        value = operator.inputs[0]
    return value.number, complement


def is_permuted(evidence: Evidence, value: Value, original: Value) -> bool:
    """Return whether a value has the samples of another one in another order."""
    operator = evidence.record.producer(value)
    if operator is None or not operator.inputs or operator.inputs[0] is not original:
        return False
    if operator.name in TURNS:
        return _turns_samples(operator)
    index = operator.inputs[1] if len(operator.inputs) > 1 else None
    same = value.shape == original.shape
    return same and operator.name in PICKS and index is not None and len(index.shape) == 1


def _turns_samples(operator: Operator) -> bool:
    """Return whether `flip` or `roll` reorders the samples, and not the pixels of each."""
    position, found = TURNS[operator.name], operator.literals
    dims = found.get("dims", found.get(position))
    named = list(dims) if isinstance(dims, list | tuple) else [dims]
    return named in ([0], [-len(operator.inputs[0].shape)]) and position + 1 not in found
