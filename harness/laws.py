"""The laws, one function each: it returns where the law holds and raises where it does not."""

from __future__ import annotations

import copy
import operator
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .facts import Finding
from .mask import mask_error
from .program import Program, map_tensors, move, tensors
from .vocabulary import STRUCTURAL, Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKS: dict[Law, Callable[[Program], None]] = {}

LEARNING_STEPS = 200
TOLERANCE = 1e-4  # float32 rounding is near 1e-6, what the laws look for near 1e-2


class LawBrokenError(Exception):
    """The law does not hold; the message says what was seen."""


class NotApplicableError(Exception):
    """The law says nothing about this program; the message says why."""


def judge(program: Program, *, structural: bool = True) -> dict[Law, Finding]:
    """Return what each law says of `program`; those of structure only where wanted.

    A law under which the program itself raises is broken. Two laws are judged elsewhere,
    from the facts of the plain run: output-as-declared and no-warnings.
    """
    return {
        law: _judge_one(check, program)
        for law, check in CHECKS.items()
        if structural or law not in STRUCTURAL
    }


def _judge_one(check: Callable[[Program], None], program: Program) -> Finding:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(program)
        except NotApplicableError as reason:
            return Finding(None, str(reason))
        except LawBrokenError as reason:
            return Finding(holds=False, note=str(reason))
        except BaseException as error:  # noqa: BLE001  (SystemExit and the like too)
            return Finding(holds=False, note=f"{type(error).__name__}: {mask_error(error)}")
    return Finding(holds=True)


def _law(law: Law) -> Callable[[Callable[[Program], None]], Callable[[Program], None]]:
    def register(check: Callable[[Program], None]) -> Callable[[Program], None]:
        CHECKS[law] = check
        return check

    return register


@_law(Law.ANY_BATCH_SIZE)
def _any_batch_size(program: Program) -> None:
    net = program.net().eval()
    for size in (1, 3, 7):
        for output in _outputs(program, net, program.inputs(size)):
            if not output.ndim or output.shape[0] != size:
                message = f"a batch of {size} gives {list(output.shape)}"
                raise LawBrokenError(message)


@_law(Law.SAMPLES_INDEPENDENT)
def _samples_independent(program: Program) -> None:
    net = program.net().eval()
    inputs = program.inputs(4)
    together = _outputs(program, net, inputs)
    for index in range(4):
        one_sample = operator.itemgetter(slice(index, index + 1))
        alone = _outputs(program, net, map_tensors(inputs, one_sample))
        for one, batch in zip(alone, together, strict=True):
            if not _close(one, batch[index : index + 1]):
                message = f"sample {index} gives another output alone than in a batch of 4"
                raise LawBrokenError(message)


@_law(Law.DETERMINISTIC_IN_EVAL)
def _deterministic_in_eval(program: Program) -> None:
    net = program.net().eval()
    inputs = program.inputs()
    first, second = (_outputs(program, net, inputs) for _ in range(2))
    if not all(_close(a, b) for a, b in zip(first, second, strict=True)):
        message = "two passes over one input differ"
        raise LawBrokenError(message)


@_law(Law.INPUTS_UNTOUCHED)
def _inputs_untouched(program: Program) -> None:
    inputs = program.inputs()
    before = copy.deepcopy(inputs)
    program.run(program.net(), inputs, program.targets())
    if not all(torch.equal(a, b) for a, b in zip(tensors(before), tensors(inputs), strict=True)):
        message = "an input holds other values after the run than before"
        raise LawBrokenError(message)


@_law(Law.NONLINEAR)
def _nonlinear(program: Program) -> None:
    """Compare f(a) + f(b) - f(0) with f(a + b): for an affine f they are equal."""
    net, first = program.net().eval(), program.inputs()
    if not all(tensor.is_floating_point() for tensor in tensors(first)):
        message = "the inputs are not floating point"
        raise NotApplicableError(message)
    a, b, zero, both = (
        _outputs(program, net, inputs)
        for inputs in (
            first,
            map_tensors(first, lambda x: x.flip(-1)),
            map_tensors(first, torch.zeros_like),
            map_tensors(first, lambda x: x + x.flip(-1)),
        )
    )
    pairs = zip(a, b, zero, both, strict=True)
    if all(_close(x + y - z, total) for x, y, z, total in pairs):
        message = "f(a) + f(b) - f(0) equals f(a + b)"
        raise LawBrokenError(message)


@_law(Law.EVERY_PARAMETER_LEARNS)
def _every_parameter_learns(program: Program) -> None:
    net = program.net()
    if not list(net.parameters()):
        message = "the network has no parameter"
        raise NotApplicableError(message)
    outputs = _outputs(program, net, program.inputs())
    # A random direction, since some outputs (softmax) have a sum that never changes.
    torch.autograd.backward([(output * torch.randn_like(output)).sum() for output in outputs])
    for name, parameter in net.named_parameters():
        gradient = parameter.grad
        if gradient is None or not gradient.isfinite().all() or not gradient.any():
            state = "none" if gradient is None else "zero or not finite"
            message = f"the gradient of {name} is {state}"
            raise LawBrokenError(message)


@_law(Law.STATE_ROUND_TRIPS)
def _state_round_trips(program: Program) -> None:
    saved, fresh = program.net().eval(), program.net(seed=program.seed + 1).eval()
    fresh.load_state_dict(saved.state_dict())
    inputs = program.inputs()
    before, after = (_outputs(program, net, inputs) for net in (saved, fresh))
    if not all(_close(a, b) for a, b in zip(before, after, strict=True)):
        message = "a fresh network with the saved state gives another output"
        raise LawBrokenError(message)


@_law(Law.MOVES_AS_ONE)
def _moves_as_one(program: Program) -> None:
    """Walk the attributes too: kernels on `meta` do not compare the devices of their inputs."""
    meta = torch.device("meta")
    net = program.net().eval().to(meta)
    for name, tensor in _held_tensors(net):
        if tensor.device.type != "meta":
            message = f"{name} stays on {tensor.device.type}"
            raise LawBrokenError(message)
    try:
        net(*move(program.inputs(), meta))
    except NotImplementedError as error:
        raise NotApplicableError(mask_error(error).partition("\n")[0]) from None


@_law(Law.EXPORTS)
def _exports(program: Program) -> None:
    dynamic = getattr(getattr(getattr(torch, "export", None), "Dim", None), "DYNAMIC", None)
    if dynamic is None:
        message = "this release has no torch.export with Dim.DYNAMIC"
        raise NotApplicableError(message)
    inputs = program.inputs(3)
    shapes = map_tensors(inputs, lambda x: {0: dynamic} if x.ndim else None)
    with program.device:
        torch.export.export(program.net().eval(), inputs, dynamic_shapes=shapes, strict=False)


@_law(Law.ONE_BATCH_CAN_BE_LEARNED)
def _one_batch_can_be_learned(program: Program) -> None:
    """Adam with a rate of 0.01 and no decay, at most 200 steps, in train mode."""
    if not (program.has_run and program.has_targets):
        message = "the program has no targets"
        raise NotApplicableError(message)
    net, inputs, targets = program.net(), program.inputs(), program.targets()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    first = loss = _loss(program, net, inputs, targets)
    for _ in range(LEARNING_STEPS):
        if loss < first / 10:
            return
        optimizer.step()
        optimizer.zero_grad()
        loss = _loss(program, net, inputs, targets)
    message = f"{LEARNING_STEPS} steps take the loss from {first:.3g} to {loss:.3g} only"
    raise LawBrokenError(message)


def _loss(
    program: Program, net: nn.Module, inputs: tuple[Any, ...], targets: tuple[Any, ...]
) -> float:
    loss = program.run(net, inputs, targets)
    if not isinstance(loss, torch.Tensor) or loss.ndim:
        message = "the program does not return its loss"
        raise NotApplicableError(message)
    return float(loss)


def _outputs(program: Program, net: nn.Module, inputs: tuple[Any, ...]) -> list[torch.Tensor]:
    found = tensors(program.forward(net, *inputs))
    if not found:
        message = "the network gives no tensor"
        raise LawBrokenError(message)
    return found


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Compare up to TOLERANCE times the largest value, or one where that is smaller."""
    if a.shape != b.shape:
        return False
    a, b = a.detach().double(), b.detach().double()
    scale = max(1.0, float(b.abs().max())) if b.numel() else 1.0
    return bool(torch.allclose(a, b, rtol=0, atol=TOLERANCE * scale, equal_nan=True))


def _held_tensors(net: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor that a module's attributes hold, lists and dicts included."""
    for path, module in net.named_modules():
        for name, value in vars(module).items():
            for tensor in tensors(_opened(value)):
                yield f"{path}.{name}".lstrip("."), tensor


def _opened(value: object) -> object:
    """Replace modules kept in plain containers by their tensors."""
    if isinstance(value, nn.Module):
        return [*value.parameters(), *value.buffers()]
    if isinstance(value, (list, tuple)):
        return [_opened(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _opened(item) for key, item in value.items()}
    return value
