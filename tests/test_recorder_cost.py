"""What recording adds to a training step, in function calls: unlike times, they always repeat."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from broken_convnets.observe.recorder import Options, Recorder
from torch import nn

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import FrameType

CALLS_AT_MOST = 1_850  # of Python functions; `experiments.measure_trace` measures the time
WARM_UPS, STEPS = 5, 20


def _step(net: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor) -> None:
    optimizer.zero_grad()
    net(images).square().mean().backward()
    optimizer.step()


def _calls_of_a_step(context: AbstractContextManager[object]) -> float:
    """Return how many Python functions a step of a small network calls."""
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    with context:
        for _ in range(WARM_UPS):
            _step(net, optimizer, torch.ones(2, 8))
        former = sys.getprofile()
        sys.setprofile(count)
        try:
            for _ in range(STEPS):
                _step(net, optimizer, torch.ones(2, 8))
        finally:
            sys.setprofile(former)
    return calls / STEPS


def test_recording_adds_few_calls_to_a_step() -> None:
    plain = _calls_of_a_step(nullcontext())
    recorded = _calls_of_a_step(Recorder(Options.everything()))
    assert plain < recorded <= plain + CALLS_AT_MOST
