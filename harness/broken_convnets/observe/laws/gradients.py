"""The law of gradients: backward computes the derivative of the loss that the run returns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, generator, law
from broken_convnets.observe.laws.training import loss_of, recorded
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Network, Subject

Direction = dict[str, torch.Tensor]

DIRECTIONS = 16  # along one a wrong gradient often agrees, most of all if few layers have it
STEPS = (1e-2, 1e-3)  # relative to the parameters; the second in case a kink lies within the first
SHARE = 0.1  # of the slope that is expected: a wrong gradient differs by about all of it
ROUNDING = 1e-5  # of a loss, divided by a step


@law(Law.GRADIENTS_MATCH_LOSS)
def _gradients_match_loss(subject: Subject) -> None:
    """Compare the slope of the loss along random directions with finite differences."""
    if recorded(subject).steps or not recorded(subject).has_backward:
        message = "the run steps an optimizer, or calls no backward"
        raise NotApplicableError(message)
    net = subject.build()
    loss = loss_of(subject, net, subject.inputs(), subject.targets())
    if not math.isfinite(loss):
        message = "the loss is not finite"
        raise NotApplicableError(message)
    random = generator(subject)
    for _ in range(DIRECTIONS):
        direction = _direction(net, random)
        if not any(_agree(subject, net, direction, step, loss) for step in STEPS):
            message = "finite differences of the loss differ from the gradients of the run"
            raise LawBrokenError(message)


def _direction(net: Network, random: torch.Generator) -> Direction:
    """Return random values as large as the parameters, for those that are trained."""
    return {
        name: torch.randn(value.shape, generator=random).to(value)
        * value.detach().square().mean().sqrt().clamp(min=0.05)
        for name, value in net.parameters().items()
        if value.requires_grad
    }


def _agree(subject: Subject, net: Network, direction: Direction, step: float, loss: float) -> bool:
    products = [
        (gradient * direction[name]).double()
        for name, gradient in net.parameter_gradients().items()
        if name in direction and gradient is not None
    ]
    slope = sum(float(one.sum()) for one in products)
    expected = math.sqrt(sum(float(one.square().sum()) for one in products))
    above, below = (_loss_at(subject, direction, sign * step) for sign in (1, -1))
    rounding = ROUNDING * max(1.0, abs(loss)) / step
    # Where a maximum or a ReLU has a kink within one side's step, the other side still agrees.
    differences = ((above - below) / (2 * step), (above - loss) / step, (loss - below) / step)
    return any(
        abs(measured - slope) <= SHARE * max(expected, abs(measured)) + rounding
        for measured in differences
    )


def _loss_at(subject: Subject, direction: Direction, step: float) -> float:
    """Return the loss of a new network, equal but for a step along `direction`."""
    net = subject.build()
    net.shift(direction, step)
    return loss_of(subject, net, subject.inputs(), subject.targets())
