"""Measure what recording adds to a program, and print the ratio to the plain program.

Plain and recorded calls alternate (A B B A) in one process on one thread, so that the load of the
machine affects both. Times are processor time. It exits with 1 if a median ratio is above its
bound.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torchvision
from broken_convnets import trace
from broken_convnets.observe.recorder import Options, Recorder
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

WARM_UPS = 2
READERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "trace": trace,
    "all parts of the recorder": lambda: Recorder(Options.everything()),
}


@dataclass(frozen=True)
class Workload:
    """Something to run, how often in one round, and how much longer it may take when recorded."""

    name: str
    run: Callable[[], object]
    times: int
    bound: float


@dataclass(frozen=True)
class Measured:
    """The ratios of recorded to plain time of one workload, one a round."""

    workload: Workload
    reader: str
    ratios: list[float]
    plain_ms: float  # median of one call

    @property
    def median(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        """Return one line of the report."""
        name = f"{self.workload.name}, {self.reader}"
        spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        figures = f"{self.median:5.2f}  ({spread}; plain {self.plain_ms:.2f} ms)"
        return f"{name:62}{figures}  at most {self.workload.bound}"


def training_step(net: nn.Module, inputs: torch.Tensor, classes: int) -> Callable[[], object]:
    """Return a call that trains `net` for one step."""
    targets = torch.randint(classes, (len(inputs),))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()

    def step() -> object:
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return step


def forward(net: nn.Module, inputs: torch.Tensor) -> Callable[[], object]:
    """Return a call of one forward pass for inference."""

    def call() -> object:
        with torch.no_grad():
            return net(inputs)

    return call


def workloads() -> list[Workload]:
    """Return what is measured."""
    mlp = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10))
    resnet = torchvision.models.resnet18(weights=None)
    resnet_step = training_step(resnet, torch.randn(8, 3, 64, 64), 1000)
    resnet_pass = forward(copy.deepcopy(resnet).eval(), torch.randn(1, 3, 224, 224))
    mlp_step = training_step(mlp, torch.randn(16, 32), 10)
    return [
        Workload("training step of resnet18, 8 x 64x64", resnet_step, 1, 1.5),
        Workload("forward pass of resnet18, 1 x 224x224", resnet_pass, 1, 1.5),
        Workload("training step of a small MLP", mlp_step, 50, 6.0),
    ]


def measure(workload: Workload, reader: str, rounds: int) -> Measured:
    """Return the ratio of each round, in processor time: two recorded stretches over two plain."""

    def seconds(context: AbstractContextManager[Any]) -> float:
        with context:
            start = time.process_time()
            for _ in range(workload.times):
                workload.run()
            return time.process_time() - start

    ratios, plain_ms = [], []
    for number in range(rounds + WARM_UPS):
        plain = seconds(nullcontext())
        recorded = seconds(READERS[reader]()) + seconds(READERS[reader]())
        plain += seconds(nullcontext())
        if number >= WARM_UPS:
            ratios.append(recorded / plain)
            plain_ms.append(1_000 * plain / (2 * workload.times))
    return Measured(workload, reader, ratios, statistics.median(plain_ms))


def main() -> int:
    """Measure, print, and compare with the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = [
        measure(workload, reader, options.rounds) for workload in workloads() for reader in READERS
    ]
    if options.json:
        figures = {f"{one.workload.name}, {one.reader}": one.ratios for one in found}
        print(json.dumps(figures, indent=2))
    else:
        print("recorded / plain time: median (smallest to largest)")
        print(*found, sep="\n")
    return int(any(one.median > one.workload.bound for one in found))


if __name__ == "__main__":
    sys.exit(main())
