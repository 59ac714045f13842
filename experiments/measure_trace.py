"""Measure what a trace adds to the forward pass of resnet18 at 224x224, and print the ratio.

One image, one thread, eval mode, no gradients. Plain and traced passes alternate (A B B A) in
one process, so that what else the machine does falls on both. It exits with 1 where the
median ratio is above BOUND.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torchvision

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent.parent))

import broken_convnets

BOUND = 2.0


def seconds(call: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratios(rounds: int) -> list[float]:
    """Return, for each round, the time of two traced passes over that of two plain ones."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None).eval()
    image = torch.randn(1, 3, 224, 224)

    def plain() -> object:
        return net(image)

    def traced() -> object:
        return broken_convnets.trace(net, image)

    found = []
    with torch.no_grad():
        for number in range(rounds + 2):
            outer, inner = seconds(plain), seconds(traced) + seconds(traced)
            outer += seconds(plain)
            if number >= 2:
                found.append(inner / outer)
    return found


def main() -> int:
    """Measure, print, and compare with the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = ratios(options.rounds)
    figures = {
        "traced / plain": statistics.median(found),
        "smallest": min(found),
        "largest": max(found),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:20} {value:6.2f}")
        print(f"at most {BOUND}")
    return int(figures["traced / plain"] > BOUND)


if __name__ == "__main__":
    sys.exit(main())
