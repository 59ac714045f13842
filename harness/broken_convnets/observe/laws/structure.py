"""Laws of what a network is made of: whether it moves, saves and exports as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.observe.laws.registry import (
    LawBrokenError,
    NotApplicableError,
    all_close,
    law,
    outputs,
)
from broken_convnets.observe.program import Program, map_tensors, move, tensors
from broken_convnets.observe.without_values import needs_values
from broken_convnets.util.mask import mask_error
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator


@law(Law.STATE_ROUND_TRIPS)
def _state_round_trips(program: Program) -> None:
    saved, fresh = program.net().eval(), program.net(seed=program.seed + 1).eval()
    fresh.load_state_dict(saved.state_dict())
    inputs = program.inputs()
    before, after = (outputs(program, net, inputs) for net in (saved, fresh))
    if not all_close(before, after):
        message = "a fresh network with the saved state gives another output"
        raise LawBrokenError(message)


@law(Law.MOVES_AS_ONE)
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
    except (NotImplementedError, RuntimeError) as error:
        message = mask_error(error).partition("\n")[0]
        if isinstance(error, NotImplementedError) or needs_values(error):
            raise NotApplicableError(message) from None
        raise


@law(Law.EXPORTS)
def _exports(program: Program) -> None:
    dynamic = getattr(getattr(getattr(torch, "export", None), "Dim", None), "DYNAMIC", None)
    if dynamic is None:
        message = "this release has no torch.export with Dim.DYNAMIC"
        raise NotApplicableError(message)
    inputs = program.inputs(3)
    shapes = map_tensors(inputs, lambda x: {0: dynamic} if x.ndim else None)
    with program.device:
        torch.export.export(program.net().eval(), inputs, dynamic_shapes=shapes, strict=False)


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
