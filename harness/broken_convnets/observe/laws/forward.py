"""Laws of a forward pass: what its output depends on, and what it leaves alone."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.laws.registry import (
    TOLERANCE,
    LawBrokenError,
    all_close,
    close,
    generator,
    law,
    outputs,
)
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import detached, map_tensors, tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Network, Subject, Values

BATCHES = range(3, 9)
COMPARED = 4  # samples of a batch, one by one
DRAWS = 3  # of random images, before a network counts as affine
ODD_SIZES = (3, 5, 7)
LARGE_SIZES = range(9, 14)
NEXT_TO_NOTHING = 1e-12  # beside the layer that changes the output most
ROUNDING = 1e-6  # of float32, relative to the size of a value


@law(Law.ANY_BATCH_SIZE)
def _any_batch_size(subject: Subject) -> None:
    net = subject.build().eval()
    draws = subject.draws()
    for size in (1, draws.choice(ODD_SIZES), draws.choice(LARGE_SIZES)):
        for output in outputs(net, subject.inputs(size)):
            if not output.ndim or output.shape[0] != size:
                message = f"a batch of {size} returns {list(output.shape)}"
                raise LawBrokenError(message)
            if all_finite(output) is False and _is_finite(net, subject):
                message = f"a batch of {size} returns numbers that are not finite"
                raise LawBrokenError(message)


def _is_finite(net: Network, subject: Subject) -> bool:
    """Return whether the output is finite for as many samples as the example has."""
    return all(all_finite(output) is not False for output in outputs(net, subject.inputs()))


@law(Law.SAMPLES_INDEPENDENT)
def _samples_independent(subject: Subject) -> None:
    """Pass samples alone where the network has not seen the batch, whose output it could keep."""
    draws = subject.draws()
    size = draws.choice(BATCHES)
    inputs = subject.inputs(size)
    together = outputs(subject.build().eval(), inputs)
    net = subject.apart().build().eval()
    # The last one first: noise from the same seed must not agree with that of the batch.
    for index in sorted(draws.sample(range(size), min(size, COMPARED)), reverse=True):
        one_sample = operator.itemgetter(slice(index, index + 1))
        alone = outputs(net, map_tensors(inputs, one_sample))
        for one, batch in zip(alone, together, strict=True):
            if not close(one, batch[index : index + 1]):
                message = "a sample has another output alone than in a batch"
                raise LawBrokenError(message)


@law(Law.DETERMINISTIC_IN_EVAL)
def _deterministic_in_eval(subject: Subject) -> None:
    """Pass a copy the second time, for which a network cannot have kept the output."""
    net = subject.build().eval()
    inputs = subject.inputs()
    first, second = (outputs(net, values) for values in (inputs, detached(inputs)))
    if not all_close(first, second):
        message = "two passes over one input differ"
        raise LawBrokenError(message)


@law(Law.INPUTS_UNTOUCHED)
def _inputs_untouched(subject: Subject) -> None:
    inputs = subject.inputs()
    before = map_tensors(inputs, torch.clone)
    subject.build().run(inputs, subject.targets())
    after = subject.reread(inputs)
    if not all(map(torch.equal, tensors(before), tensors(after))):
        message = "the run modified an input in place"
        raise LawBrokenError(message)


@law(Law.NONLINEAR)
def _nonlinear(subject: Subject) -> None:
    """Compare f(a) + f(b) - f(0) with f(a + b): for an affine f they are equal.

    `b` is random and as large as `a`: two images, never negative and much alike, can leave each
    ReLU on one side.
    """
    net, first = subject.build().eval(), subject.inputs()
    if not all(tensor.is_floating_point() for tensor in tensors(first)):
        message = "the inputs are not floating point"
        raise NotApplicableError(message)
    draws = subject.draws()
    if all(_is_affine_for(net, first, draws.getrandbits(63)) for _ in range(DRAWS)):
        message = "f(a) + f(b) - f(0) equals f(a + b)"
        raise LawBrokenError(message)


def _is_affine_for(net: Network, first: Values, seed: int) -> bool:
    """Compare for one `b`: it alone may leave each ReLU of a small network on one side too."""
    a, b, zero, both = (
        outputs(net, inputs)
        for inputs in (
            first,
            _with_noise(first, seed, share=0),
            map_tensors(first, torch.zeros_like),
            _with_noise(first, seed, share=1),
        )
    )
    return all(map(_affine, a, b, zero, both))


def _with_noise(inputs: tuple[Any, ...], seed: int, share: int) -> Any:
    """Return `share` of each tensor plus random values as large as its own, the same per seed."""
    generator = torch.Generator().manual_seed(seed)

    def add_noise(tensor: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(tensor.shape, generator=generator).to(tensor)
        return share * tensor + noise * tensor.abs().max()

    return map_tensors(inputs, add_noise)


def _affine(a: torch.Tensor, b: torch.Tensor, zero: torch.Tensor, both: torch.Tensor) -> bool:
    """Judge by how far outputs are from f(0), and by rounding, which follows their size."""
    a, b, zero, both = (tensor.detach().double() for tensor in (a, b, zero, both))
    spread = torch.stack([a - zero, b - zero]).abs().max()
    rounding = torch.stack([a, b, zero, both]).abs().max()
    residual = (a + b - zero - both).abs().max()
    return bool(residual <= TOLERANCE * spread + ROUNDING * rounding)


@law(Law.EVERY_PARAMETER_LEARNS)
def _every_parameter_learns(subject: Subject) -> None:
    """Follow the outputs in random directions: the sum of some (softmax) never changes."""
    net = subject.build()
    if not net.parameters():
        message = "the network has no parameter"
        raise NotApplicableError(message)
    inputs = subject.inputs()
    random = generator(subject)
    directions = [
        torch.randn(one.shape, generator=random) for one in outputs(subject.build(), inputs)
    ]
    for name, gradient in net.gradients(inputs, directions).items():
        if gradient is None or not gradient.isfinite().all() or not gradient.any():
            state = "none" if gradient is None else "zero or not finite"
            message = f"the gradient of {name} is {state}"
            raise LawBrokenError(message)
    _require_effects(net.parameters(), net.parameter_gradients())


def _require_effects(
    parameters: dict[str, torch.Tensor], gradients: dict[str, torch.Tensor | None]
) -> None:
    """Raise LawBrokenError if a layer changes the output by next to nothing beside the others.

    A bias alone may do so: a normalization after it removes it.
    """
    effects: dict[str, float] = {}
    for name, gradient in gradients.items():
        layer, size = name.rpartition(".")[0], parameters[name].detach().double().norm()
        effect = float(
            (gradient.double().norm() * size.clamp(min=1.0)) if gradient is not None else 0
        )
        effects[layer] = max(effects.get(layer, 0.0), effect)
    for layer, effect in effects.items():
        if effect < NEXT_TO_NOTHING * max(effects.values()):
            message = f"{layer or 'the network itself'} contributes next to nothing to the output"
            raise LawBrokenError(message)
