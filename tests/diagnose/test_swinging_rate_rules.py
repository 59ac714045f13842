"""Schedules that are computed for the number of epochs and advance at every batch."""

from __future__ import annotations

from rule_checks import ProgramChecks

PROGRAM = """
import math
from torch.optim.lr_scheduler import LambdaLR

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)

def cosine(optimizer, warmup, total):
    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, total - warmup)
        return max(0.0, 0.5 * (1 + math.cos(math.pi * {done})))
    return LambdaLR(optimizer, factor)

epochs, {names}
schedule = {schedule}

def train_step(x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    {in_step}
    return loss.item()

for epoch in range(epochs):
    {losses}
    {in_epoch}
"""


def program(schedule: str, **parts: str) -> str:
    usual = {
        "done": "done",
        "names": "batches = 6, 8",
        "in_step": "schedule.step()",
        "in_epoch": "pass",
        "losses": "losses = [train_step(x, y) for x, y in zip(images.split(2), labels.split(2))]",
    }
    return PROGRAM.format(schedule=schedule, **(usual | parts))


LOOP = """for x, y in zip(images.split(2), labels.split(2)):
        train_step(x, y)"""
BROKEN = {
    "horizon_in_epochs": program("cosine(optimizer, 2, epochs)  # cause"),
    "horizon_in_epochs.loop": program(
        "cosine(optimizer, warmup=1, total=epochs)  # cause", losses=LOOP
    ),
    "horizon_in_epochs.function": program(
        "LambdaLR(optimizer, lambda s: 0.5 * (1 + math.cos(math.pi * s / epochs)))  # cause"
    ),
}
HEALTHY = {
    "all_steps": program("cosine(optimizer, 2, epochs * batches)"),
    "each_epoch": program(
        "cosine(optimizer, 2, epochs)", in_step="pass", in_epoch="schedule.step()"
    ),
    "limited": program(
        "cosine(optimizer, 2, length)", names="length = 6, 36", done="min(1.0, done)"
    ),
    "cycles": program("cosine(optimizer, 2, period)", names="period = 6, 8"),
    "jumps": program("cosine(optimizer, 0, period)", done="(done % 1)", names="period = 6, 6"),
    "cycles_of_an_epoch": program("cosine(optimizer, 0, batches)"),
}
KINDS = {"horizon_in_epochs": "training/scheduler_per_batch"}


class TestSwingingRates(ProgramChecks):
    """A schedule is as long as the training."""
