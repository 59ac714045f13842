"""Laws of what a network consists of: whether it moves, saves and exports as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, all_close, law, outputs
from broken_convnets.observe.subject import NotApplicableError, class_names
from broken_convnets.observe.trees import detached, map_tensors, tensors
from broken_convnets.observe.without_values import needs_values
from broken_convnets.util.mask import mask_error
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Subject


SIZES = (2, 3, 5, 6)  # of an exported batch; one would be a constant


@law(Law.STATE_ROUND_TRIPS)
def _state_round_trips(subject: Subject) -> None:
    """Load the state where nothing else of the saved network is known."""
    saved, fresh = subject.build().eval(), subject.apart().build(subject.seed + 1).eval()
    fresh.load_state(saved.state())
    inputs = detached(subject.inputs())
    before, after = (outputs(net, inputs) for net in (saved, fresh))
    if not all_close(before, after):
        message = "a new network with the saved state has another output"
        raise LawBrokenError(message)


@law(Law.MOVES_AS_ONE)
def _moves_as_one(subject: Subject) -> None:
    """Look at the attributes too: kernels on `meta` do not compare the devices of their inputs.

    A network that catches the exception of a wrong device does not reach the same layers.
    """
    net, inputs = subject.build().eval(), subject.inputs()
    # Another network of the same weights: one that keeps its output would keep it on this device.
    here = subject.build().eval().forward_there(inputs)
    for name, device in net.move("meta").items():
        if device != "meta":
            message = f"{name} stays on {device}"
            raise LawBrokenError(message)
    try:
        there = net.forward_there(inputs, "meta")
    except Exception as error:
        if "NotImplementedError" in class_names(error) or needs_values(error):
            raise NotApplicableError(mask_error(error).partition("\n")[0]) from None
        raise
    if there != here:
        message = "on another device, the forward pass calls other layers"
        raise LawBrokenError(message)


@law(Law.EXPORTS)
def _exports(subject: Subject) -> None:
    if not hasattr(getattr(getattr(torch, "export", None), "Dim", None), "DYNAMIC"):
        message = "this release has no torch.export with Dim.DYNAMIC"
        raise NotApplicableError(message)
    # A network that returns no tensor, or another output each time, is for other laws.
    few, size = sorted(subject.draws().sample(SIZES, 2))
    inputs = subject.inputs(size)
    others = map_tensors(inputs, lambda x: x[:few] if x.ndim else x)  # of the same other sizes
    found = subject.build().eval().export(inputs, others)
    if not tensors(found):
        return
    net = subject.build().eval()
    expected, again = (outputs(net, values) for values in (others, detached(others)))
    if all_close(expected, again) and not all_close(expected, tensors(found)):
        message = "the exported program returns another output"
        raise LawBrokenError(message)
