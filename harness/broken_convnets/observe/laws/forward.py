"""Laws of a forward pass: what a network gives, and for whom."""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch

from broken_convnets.observe.laws.registry import (
    TOLERANCE,
    LawBrokenError,
    NotApplicableError,
    all_close,
    close,
    law,
    outputs,
)
from broken_convnets.observe.program import Program, map_tensors, tensors
from broken_convnets.vocabulary import Law

ROUNDING = 1e-6  # of float32, relative to the size of a value


@law(Law.ANY_BATCH_SIZE)
def _any_batch_size(program: Program) -> None:
    net = program.net().eval()
    for size in (1, 3, 7):
        for output in outputs(program, net, program.inputs(size)):
            if not output.ndim or output.shape[0] != size:
                message = f"a batch of {size} gives {list(output.shape)}"
                raise LawBrokenError(message)


@law(Law.SAMPLES_INDEPENDENT)
def _samples_independent(program: Program) -> None:
    net = program.net().eval()
    inputs = program.inputs(4)
    together = outputs(program, net, inputs)
    for index in range(4):
        one_sample = operator.itemgetter(slice(index, index + 1))
        alone = outputs(program, net, map_tensors(inputs, one_sample))
        for one, batch in zip(alone, together, strict=True):
            if not close(one, batch[index : index + 1]):
                message = f"sample {index} gives another output alone than in a batch of 4"
                raise LawBrokenError(message)


@law(Law.DETERMINISTIC_IN_EVAL)
def _deterministic_in_eval(program: Program) -> None:
    net = program.net().eval()
    inputs = program.inputs()
    first, second = (outputs(program, net, inputs) for _ in range(2))
    if not all_close(first, second):
        message = "two passes over one input differ"
        raise LawBrokenError(message)


@law(Law.INPUTS_UNTOUCHED)
def _inputs_untouched(program: Program) -> None:
    inputs = program.inputs()
    before = copy.deepcopy(inputs)
    program.run(program.net(), inputs, program.targets())
    if not all(torch.equal(a, b) for a, b in zip(tensors(before), tensors(inputs), strict=True)):
        message = "an input holds other values after the run than before"
        raise LawBrokenError(message)


@law(Law.NONLINEAR)
def _nonlinear(program: Program) -> None:
    """Compare f(a) + f(b) - f(0) with f(a + b): for an affine f they are equal.

    `b` is random and as large as `a`: two images, never negative and much alike, can leave each
    ReLU on one side.
    """
    net, first = program.net().eval(), program.inputs()
    if not all(tensor.is_floating_point() for tensor in tensors(first)):
        message = "the inputs are not floating point"
        raise NotApplicableError(message)
    a, b, zero, both = (
        outputs(program, net, inputs)
        for inputs in (
            first,
            _strewn(first, share=0),
            map_tensors(first, torch.zeros_like),
            _strewn(first, share=1),
        )
    )
    if all(map(_affine, a, b, zero, both)):
        message = "f(a) + f(b) - f(0) equals f(a + b)"
        raise LawBrokenError(message)


def _strewn(inputs: tuple[Any, ...], share: int) -> Any:
    """Return `share` of each tensor plus random values as large as its own, always the same."""
    generator = torch.Generator().manual_seed(0)

    def strewn(tensor: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(tensor.shape, generator=generator).to(tensor)
        return share * tensor + noise * tensor.abs().max()

    return map_tensors(inputs, strewn)


def _affine(a: torch.Tensor, b: torch.Tensor, zero: torch.Tensor, both: torch.Tensor) -> bool:
    """Judge by how far outputs are from f(0), and by rounding, which follows their size."""
    a, b, zero, both = (tensor.detach().double() for tensor in (a, b, zero, both))
    spread = torch.stack([a - zero, b - zero]).abs().max()
    rounding = torch.stack([a, b, zero, both]).abs().max()
    residual = (a + b - zero - both).abs().max()
    return bool(residual <= TOLERANCE * spread + ROUNDING * rounding)


@law(Law.EVERY_PARAMETER_LEARNS)
def _every_parameter_learns(program: Program) -> None:
    net = program.net()
    if not list(net.parameters()):
        message = "the network has no parameter"
        raise NotApplicableError(message)
    given = outputs(program, net, program.inputs())
    # A random direction, since some outputs (softmax) have a sum that never changes.
    torch.autograd.backward([(output * torch.randn_like(output)).sum() for output in given])
    for name, parameter in net.named_parameters():
        gradient = parameter.grad
        if gradient is None or not gradient.isfinite().all() or not gradient.any():
            state = "none" if gradient is None else "zero or not finite"
            message = f"the gradient of {name} is {state}"
            raise LawBrokenError(message)
