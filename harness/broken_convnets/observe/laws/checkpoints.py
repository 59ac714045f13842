"""Laws of checkpoints: what a program saves, loads and resumes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, all_close, law, outputs
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import detached
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Network, Subject

EPOCHS, STOP = 4, 2  # of a training, and the epoch after which it is interrupted


@law(Law.CHECKPOINT_RESTORES_OUTPUT)
def _checkpoint_restores_output(subject: Subject) -> None:
    """Build the new network with another seed, so that weights that are not loaded differ.

    In another process, for which the program can keep nothing but the file.
    """
    subject.require("save")
    subject.require("load")
    saved, fresh = subject.build(), subject.apart().build(subject.seed + 1)
    path = str(Path.cwd() / f"{subject.draws().getrandbits(32):08x}.pt")
    saved.call("save", path)
    fresh.call("load", path)
    inputs = detached(subject.inputs())
    before, after = (outputs(net.eval(), inputs) for net in (saved, fresh))
    if not all_close(before, after):
        message = "a new network that loads the checkpoint has another output"
        raise LawBrokenError(message)


@law(Law.RESUMES_WHERE_IT_STOPPED)
def _resumes_where_it_stopped(subject: Subject) -> None:
    """Train at once, and again with a break after which another process goes on."""
    subject.require("train")
    data = detached((*subject.inputs(), *subject.targets()))
    whole, interrupted = subject.build(), subject.build()
    resumed = subject.apart().build(subject.seed + 1)
    whole.call("train", *data, EPOCHS)
    checkpoint = copy.deepcopy(interrupted.call("train", *data, STOP))
    resumed.call("train", *data, EPOCHS, checkpoint)
    if not all_close(*(list(net.parameters().values()) for net in (whole, resumed))):
        message = f"the weights differ from those of {EPOCHS} epochs without a break"
        raise LawBrokenError(message)


@law(Law.RETURNED_STATE_IS_A_COPY)
def _returned_state_is_a_copy(subject: Subject) -> None:
    """Change the parameters in place: a copy stays as it was."""
    subject.require_run()
    net = subject.build()
    states = _states(net.run(subject.inputs(), subject.targets()), net)
    if not states:
        message = "the run returns no state_dict"
        raise NotApplicableError(message)
    before = [detached(state) for state in states]
    net.shift({name: torch.ones_like(value) for name, value in net.parameters().items()}, 1.0)
    for old, state in zip(before, states, strict=True):
        now = subject.reread(state)
        for name in old:
            if not torch.equal(old[name], now[name]):
                message = f"{name} of the returned state_dict is the parameter itself"
                raise LawBrokenError(message)


def _states(result: Any, net: Network) -> list[dict[str, Any]]:
    if isinstance(result, (tuple, list)):
        return [state for item in result for state in _states(item, net)]
    is_state = isinstance(result, dict) and result.keys() == net.state().keys()
    return [result] if is_state else []
