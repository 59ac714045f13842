"""A diffusion model learns the noise in its input, which is mixed with the image by variance.

Ho et al., Denoising diffusion probabilistic models (2020), equation 4: the noisy image is
sqrt(a) * image + sqrt(1 - a) * noise, where a is the cumulative product of 1 - beta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT, producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

LOSSES = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
NOISE = frozenset({"randn", "randn_like", "normal", "normal_"})
CHOICES = TRANSPARENT | {"gather", "index_select", "take", "expand", "detach"}
LOOKED_UP = frozenset({"gather", "index_select", "take", "__getitem__"})
STEPS = 10  # operators between a factor and the schedule that it is taken from
DRAWS = NOISE | {"rand", "rand_like", "uniform_"}
LITTLE = 0.1  # the share of noise in one step of a schedule, at most


@dataclass(frozen=True)
class Mixed:
    """A noisy image: `image * of_image + noise * of_noise`, as one operator adds it up."""

    operator: Operator
    noise: Value
    of_image: Value
    of_noise: Value


class Factor(NamedTuple):
    """A number of a schedule, its complement to 1, or the square root of one of them."""

    base: Value
    complement: bool
    root: bool
    from_table: bool


@rule(
    "a network that predicts noise learns the noise that is in its input",
    stays_quiet="unless the input of the network has noise added to it, and a loss compares its "
    "output with other noise of the same shape, which is drawn anew in each step and used for "
    "nothing else; about inputs that are random themselves",
)
def other_noise(evidence: Evidence) -> Iterator[Finding]:
    """Find a loss against `torch.randn_like(x)` where the input has another draw."""
    require_success(evidence)
    for loss, target, given in denoisers(evidence):
        known = evidence.flow.ancestors([given])
        drawn = [o for v in known if (o := _noise_at(evidence, v)) and v.shape == given.shape]
        if any(v in known for v in target.outputs) or not drawn or not _is_sum(evidence, given):
            continue
        if not _is_drawn_for(evidence, loss, target, given):
            continue
        later = max(target, *drawn, key=lambda one: one.number)
        yield Finding(
            kind="loss/wrong_loss",
            message="the network is to predict noise that is not in its input",
            evidence=f"{loss.name} compares the output with `{target.places[0].text}`, and the "
            f"input has the noise of `{drawn[0].places[0].text}`, which is another draw: nothing "
            "in the input says what the target is",
            cause=location(later.places),
            symptom=location(loss.places),
            subject=target.places[0].text,
            confidence=7,
        )
        return


@rule(
    "a noisy image keeps the variance of the image",
    stays_quiet="unless a network predicts the noise in its input, and the two factors are a "
    "number of one table and its complement, only one of them as a square root",
)
def one_root(evidence: Evidence) -> Iterator[Finding]:
    """Find `a.sqrt() * image + (1 - a) * noise`."""
    require_success(evidence)
    for mixed in _mixtures(evidence):
        image, noise = (factor_of(evidence, v) for v in (mixed.of_image, mixed.of_noise))
        same = image.base is noise.base and image.complement != noise.complement
        same = same and image.from_table and noise.from_table
        if not same or image.root == noise.root:
            continue
        without = "noise" if image.root else "image"
        yield Finding(
            kind="loss/wrong_loss",
            message=f"the {without} of a noisy image is multiplied by a share of the variance "
            "instead of its square root",
            evidence=f"`{mixed.operator.places[0].text}` mixes image and noise, and only the "
            f"factor of the {'image' if image.root else 'noise'} is a square root: the squares of "
            "both do not add up to 1, as the steps of the sampling expect",
            cause=location(mixed.operator.places),
            subject=mixed.operator.places[0].text,
            confidence=6,
        )
        return


@rule(
    "the noise of a diffusion step is that of all steps before it",
    stays_quiet="unless a network predicts the noise in its input, and the image is multiplied by "
    "the root of 1 - beta, where beta is a range of numbers far below 1",
)
def single_step_noise(evidence: Evidence) -> Iterator[Finding]:
    """Find `alphas[t].sqrt()` where `alphas` is not a cumulative product."""
    require_success(evidence)
    for mixed in _mixtures(evidence):
        image = factor_of(evidence, mixed.of_image)
        schedule = evidence.record.producer(image.base)
        if not image.root or not image.complement or schedule is None or not schedule.places:
            continue
        ends = [schedule.literals.get(k) for k in (0, 1, "start", "end")]
        numbers = [one for one in ends if isinstance(one, float)]
        if schedule.name != "linspace" or not numbers or max(numbers) > LITTLE:
            continue
        yield Finding(
            kind="loss/wrong_loss",
            message="a noisy image has the noise of one step, and not that of all steps before it",
            evidence=f"`{mixed.operator.places[0].text}` uses 1 - beta, with beta from "
            f"`{schedule.places[0].text}`, as it is: at the last step the image still has "
            f"{1 - max(numbers):.3g} of the variance; use the cumulative product of 1 - beta",
            cause=location(mixed.operator.places),
            symptom=location(schedule.places),
            subject=mixed.operator.places[0].text,
            confidence=6,
        )
        return


def denoisers(evidence: Evidence) -> Iterator[tuple[Operator, Operator, Value]]:
    """Yield the losses against noise, that noise, and the input of the network."""
    for loss in evidence.record.operators:
        if loss.name not in LOSSES or len(loss.inputs) < 2 or not loss.places:  # noqa: PLR2004  (prediction, target)
            continue
        for predicted, target in (loss.inputs, loss.inputs[::-1]):
            noise = _noise_at(evidence, target)
            found = evidence.flow.pass_of(predicted) if noise is not None else None
            if noise is not None and found is not None and found.received:
                yield loss, noise, found.received[0]


def _is_drawn_for(evidence: Evidence, loss: Operator, target: Operator, given: Value) -> bool:
    """Return whether each step draws the target for a loss alone, and one other noise.

    Random targets of a smoke test are drawn once, or beside random inputs.
    """
    users = {one.name for value in target.outputs for one in evidence.flow.consumers(value)}
    if not users <= LOSSES or given.shape != target.outputs[0].shape:
        return False
    alike = [
        (other, value) for one, other, value in denoisers(evidence) if one.places == loss.places
    ]
    if len({other.number for other, _ in alike}) < max(2, len(alike)):
        return False
    first, second = (_draws(evidence, value) for _, value in alike[:2])
    return len(first - second) == len(second - first) == 1


def _draws(evidence: Evidence, given: Value) -> set[int]:
    """Return the operators that drew random numbers of an input, of its whole shape."""
    makers = (evidence.record.producer(v) for v in evidence.flow.ancestors([given]))
    alike = (o for o in makers if o is not None and o.name in DRAWS and o.outputs)
    return {o.number for o in alike if o.outputs[0].shape == given.shape}


def _noise_at(evidence: Evidence, value: Value) -> Operator | None:
    operator = evidence.record.producer(value)
    return operator if operator and operator.name in NOISE and operator.places else None


def _is_sum(evidence: Evidence, value: Value) -> bool:
    operator = producer(evidence, value)
    return operator is not None and plain_name(operator) == "add"


def _mixtures(evidence: Evidence) -> Iterator[Mixed]:
    """Yield the noisy images that networks receive which predict that noise."""
    for _, noise, given in denoisers(evidence):
        total = producer(evidence, given)
        if total is None or plain_name(total) != "add" or not total.places:
            continue
        parts = [_scaled(evidence, value) for value in total.inputs]
        if len(parts) != 2 or not all(parts):  # noqa: PLR2004  (image, noise)
            continue
        made = set(noise.outputs)
        for image, other in (parts, parts[::-1]):
            factor = next((f for f, v in ((other), other[::-1]) if v in made), None)
            if factor is not None:
                yield Mixed(total, noise.outputs[0], _schedule_of(image), factor)


def _scaled(evidence: Evidence, value: Value) -> tuple[Value, ...]:
    """Return the two factors of a product; nothing if it is none."""
    operator = evidence.record.producer(value)
    two = operator is not None and plain_name(operator) == "mul" and len(operator.inputs) == 2  # noqa: PLR2004
    return operator.inputs if operator is not None and two else ()


def _schedule_of(factors: tuple[Value, ...]) -> Value:
    """Return the factor that has fewer numbers: one for each image."""
    return min(factors, key=lambda one: math.prod(one.shape))


def factor_of(evidence: Evidence, value: Value) -> Factor:
    """Return how a factor was computed from a number of a schedule."""
    complement = root = from_table = False
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        name = plain_name(operator) if operator is not None else ""
        if operator is None or not operator.inputs:
            break
        power = name == "pow" and number_in(operator) == 0.5  # noqa: PLR2004  (a square root)
        if name == "sqrt" or power:
            root = True
        elif name in {"rsub", "sub"} and len(operator.inputs) == 1 and number_in(operator) == 1:
            complement = not complement
        elif operator.name in LOOKED_UP:
            from_table = True
        elif operator.name not in CHOICES:
            break
        value = operator.inputs[0]
    return Factor(value, complement, root, from_table)
