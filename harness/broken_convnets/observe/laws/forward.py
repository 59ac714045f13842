"""Laws of a forward pass: what its output depends on, and what it leaves alone."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.laws.registry import (
    TOLERANCE,
    LawBrokenError,
    all_close,
    close,
    law,
    outputs,
)
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import map_tensors, tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Subject

ROUNDING = 1e-6  # of float32, relative to the size of a value


@law(Law.ANY_BATCH_SIZE)
def _any_batch_size(subject: Subject) -> None:
    net = subject.build().eval()
    for size in (1, 3, 7):
        for output in outputs(net, subject.inputs(size)):
            if not output.ndim or output.shape[0] != size:
                message = f"a batch of {size} returns {list(output.shape)}"
                raise LawBrokenError(message)


@law(Law.SAMPLES_INDEPENDENT)
def _samples_independent(subject: Subject) -> None:
    net = subject.build().eval()
    inputs = subject.inputs(4)
    together = outputs(net, inputs)
    for index in range(4):
        one_sample = operator.itemgetter(slice(index, index + 1))
        alone = outputs(net, map_tensors(inputs, one_sample))
        for one, batch in zip(alone, together, strict=True):
            if not close(one, batch[index : index + 1]):
                message = f"sample {index} has another output alone than in a batch of 4"
                raise LawBrokenError(message)


@law(Law.DETERMINISTIC_IN_EVAL)
def _deterministic_in_eval(subject: Subject) -> None:
    net = subject.build().eval()
    inputs = subject.inputs()
    first, second = (outputs(net, inputs) for _ in range(2))
    if not all_close(first, second):
        message = "two passes over one input differ"
        raise LawBrokenError(message)


@law(Law.INPUTS_UNTOUCHED)
def _inputs_untouched(subject: Subject) -> None:
    inputs = subject.inputs()
    before = map_tensors(inputs, torch.clone)
    after = subject.build().run(inputs, subject.targets()).inputs
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
    a, b, zero, both = (
        outputs(net, inputs)
        for inputs in (
            first,
            _with_noise(first, share=0),
            map_tensors(first, torch.zeros_like),
            _with_noise(first, share=1),
        )
    )
    if all(map(_affine, a, b, zero, both)):
        message = "f(a) + f(b) - f(0) equals f(a + b)"
        raise LawBrokenError(message)


def _with_noise(inputs: tuple[Any, ...], share: int) -> Any:
    """Return `share` of each tensor plus random values as large as its own, always the same."""
    generator = torch.Generator().manual_seed(0)

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
    net = subject.build()
    if not net.parameters():
        message = "the network has no parameter"
        raise NotApplicableError(message)
    for name, gradient in net.gradients(subject.inputs()).items():
        if gradient is None or not gradient.isfinite().all() or not gradient.any():
            state = "none" if gradient is None else "zero or not finite"
            message = f"the gradient of {name} is {state}"
            raise LawBrokenError(message)
