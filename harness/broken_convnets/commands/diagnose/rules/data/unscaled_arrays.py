"""ToTensor scales images of 8-bit integers to numbers from 0 to 1, and no other arrays.

https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html: "if the
numpy.ndarray has dtype = np.uint8. In the other cases, tensors are returned without scaling."
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.array_lines import line_of_array
from broken_convnets.commands.diagnose.rules.data.preprocessing import WHITE
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.image_conversions import ImageConversion
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

LEVELS = 16  # different numbers of an image, at least: masks have fewer
BRIGHT = WHITE / 2  # the largest number of all images, at least
BEYOND = 0.1 * WHITE  # by which an interpolation goes beyond the range of the pixels
SHARE = 2.0  # more than any image from 0 to 1 has
STEPS = 24  # operators between an image and the network
LAYOUT = frozenset(
    {"to", "float", "type", "stack", "cat", "concat", "permute", "view", "reshape", "unsqueeze"}
    | {"contiguous", "clone", "__getitem__", "transpose", "squeeze", "flip", "interpolate"}
    | {"expand", "repeat", "movedim", "cuda", "as_subclass", "detach"}
)
SUBTRACTIONS = frozenset({"sub", "sub_", "__sub__", "__isub__"})
DIVISIONS = frozenset({"div", "div_", "__truediv__", "__itruediv__"})
PRODUCTS = frozenset({"mul", "mul_", "__mul__", "__imul__"})
V2 = "to_image"
CREATIONS = frozenset({"as_tensor", "tensor"})


@rule(
    "the images that ToTensor converts have 8 bits, or numbers from 0 to 1",
    stays_quiet="unless arrays that are not of 8 bits have pixels up to 255, and a mean from 0 to "
    "1 is subtracted from them, or their network receives images of 8 bits that ToTensor scales",
)
def float_pixels_are_not_scaled(evidence: Evidence) -> Iterator[Finding]:
    """Find arrays of floats or of large integers whose pixels stay from 0 to 255."""
    every = evidence.record.content_facts.image_conversions
    groups: dict[object, list[ImageConversion]] = {}
    for one in every:
        groups.setdefault((one.operator.place, one.dtype), []).append(one)
    for found in groups.values():
        if not _are_pixels(found):
            continue
        why = _normalized(evidence, found) or _scaled_elsewhere(evidence, found, every)
        if not why:
            continue
        first = found[0]
        yield Finding(
            kind="data/normalize_range",
            message=f"{first.function}() does not scale pixels of {first.dtype}: they stay from 0 "
            f"to {WHITE}",
            evidence=f"its arrays of {first.dtype} go up to "
            f"{max(one.high for one in found):.4g}, and only those of uint8 are divided by "
            f"{WHITE}; {why}",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=line_of_array(evidence, first.operator.places),
            symptom=location(first.operator.places),
            subject=first.operator.places[0].text,
            cases=("data/unscaled_pixels",),
            confidence=8,
        )
        return


def _are_pixels(found: list[ImageConversion]) -> bool:
    """Return whether arrays that are not scaled have pixels from 0 to 255."""
    highest = max(one.high for one in found)
    return BRIGHT < highest <= WHITE + BEYOND and all(
        not one.bits8 and one.low >= -BEYOND and one.high > SHARE and one.levels >= LEVELS
        for one in found
    )


def _normalized(evidence: Evidence, found: list[ImageConversion]) -> str:
    """Return which mean from 0 to 1 is subtracted from the pixels; nothing if there is none."""
    for one in found:
        for operator in (*_users(evidence, one), *_after(evidence, one)):
            mean = _numbers(evidence, operator) if operator.name in SUBTRACTIONS else []
            if _are_shares(mean):
                return (
                    f"then a mean of {', '.join(f'{number:.4g}' for number in mean)} is subtracted"
                )
    return ""


def _after(evidence: Evidence, found: ImageConversion) -> Iterator[Operator]:
    """Yield the first subtraction of the call that converts an image of `tv_tensors`.

    Its values are not followed, as a subclass of Tensor is another tensor.
    """
    start = found.operator
    for number in range(start.number + 1, start.number + STEPS if found.function == V2 else 0):
        operator = evidence.record.operators.find(number)
        if operator is None or operator.places != start.places:
            return
        if operator.name in SUBTRACTIONS:
            yield operator
        if operator.name in SUBTRACTIONS | DIVISIONS | PRODUCTS:
            return


def _scaled_elsewhere(
    evidence: Evidence, found: list[ImageConversion], every: list[ImageConversion]
) -> str:
    """Return that the same network receives images that are scaled; nothing if it does not."""
    bits8 = [one for one in every if one.bits8 and one.channels == found[0].channels]
    here = {p for one in found for p in _passes(evidence, one)}
    for one in bits8 if here else ():
        if here & _passes(evidence, one):
            return f"`{one.operator.places[0].text}` scales images of uint8 for the same network"
    return ""


def _passes(evidence: Evidence, found: ImageConversion) -> set[tuple[tuple[int, ...], ...]]:
    """Return the shapes of the parameters of the networks that receive an image."""
    values = {
        v for operator in _users(evidence, found) for v in (*operator.outputs, *operator.changed)
    }
    values |= set(found.operator.outputs)
    passes: list[ForwardPass] = [
        one
        for one in evidence.record.passes
        if one.parameters and not values.isdisjoint(one.received)
    ]
    return {
        tuple(evidence.record.parameters[number].shape for number in one.parameters)
        for one in passes
    }


def _users(evidence: Evidence, found: ImageConversion) -> Iterator[Operator]:
    """Yield the operators that arrange, shift or scale a converted image, none after a layer.

    A division by any number but a deviation below 1 ends the way: it scales the pixels.
    """
    waiting: list[tuple[Value, int]] = [(value, STEPS) for value in found.operator.outputs]
    seen: set[Operator] = {found.operator}
    while waiting:
        value, steps = waiting.pop()
        for operator in evidence.flow.consumers(value) if steps else ():
            if operator in seen or not _keeps_scale(evidence, operator, found):
                continue
            seen.add(operator)
            yield operator
            waiting += [(one, steps - 1) for one in (*operator.outputs, *operator.changed)]


def _keeps_scale(evidence: Evidence, operator: Operator, found: ImageConversion) -> bool:
    """Return whether an operator scales images of 8 bits, or shifts any as Normalize does."""
    numbers = _numbers(evidence, operator)
    if operator.name in LAYOUT:
        return True
    if operator.name in SUBTRACTIONS:
        return _are_shares(numbers)
    if operator.name in DIVISIONS:
        return _are_shares(numbers) or (found.bits8 and numbers == [WHITE])
    return operator.name in PRODUCTS and found.bits8 and _are_shares(numbers)


def _are_shares(numbers: list[float]) -> bool:
    return bool(numbers) and all(0 < one < 1 for one in numbers)


def _numbers(evidence: Evidence, operator: Operator) -> list[float]:
    """Return the numbers that an operator subtracts or divides by; none if not known."""
    literal = operator.literals.get(1)
    if isinstance(literal, int | float):
        return [float(literal)]
    value = operator.inputs[1] if len(operator.inputs) > 1 else None
    for _ in range(STEPS):
        maker = evidence.record.producer(value) if value is not None else None
        if maker is None:
            break
        if maker.name in CREATIONS:
            numbers = maker.literals.get(0, maker.literals.get("data"))
            listed = list(numbers) if isinstance(numbers, list | tuple) else [numbers]
            return [float(one) for one in listed if isinstance(one, int | float)]
        value = maker.inputs[0] if maker.inputs and maker.name in LAYOUT else None
    return []
