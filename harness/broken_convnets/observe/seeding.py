"""Seed the generators of torch, without what `torch.manual_seed` costs on a machine with a CPU."""

from __future__ import annotations

import torch


def seed_torch(seed: int) -> None:
    """Seed the generator of the CPU, and those of an accelerator that this process uses.

    `torch.manual_seed` formats the stack for each accelerator that is not in use yet, which takes
    longer than a layer of a small network does.
    """
    in_use = torch.cuda.is_initialized() or torch.backends.mps.is_available()
    (torch.manual_seed if in_use else torch.default_generator.manual_seed)(seed)
