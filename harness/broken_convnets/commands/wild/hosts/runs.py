"""The training, validation and inference around a network, for each kind of task."""

from __future__ import annotations

from enum import StrEnum
from textwrap import dedent
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.hosts.host import Task

if TYPE_CHECKING:
    from broken_convnets.commands.wild.hosts.host import Drawn, Host


class Run(StrEnum):
    """What a program does with its network."""

    FORWARD = "forward"  # nothing: one forward pass
    PREDICT = "predict"  # inference
    LOSS = "loss"  # one loss and its gradients
    TRAIN = "train"  # an epoch of optimizer steps
    SCHEDULE = "schedule"  # epochs with a learning rate that falls
    VALIDATE = "validate"  # epochs with a validation after each


AUXILIARY = "aux_loss"  # the variable, with a number if there are several
BATCH = 8  # samples of the example, which training splits in two

HEADER = {
    Task.CLASSIFICATION: "Classifies small color images.",
    Task.SEGMENTATION: "Segments small color images.",
    Task.AUTOENCODER: "Compresses small color images and reconstructs them.",
}
LOSSES = {
    Task.CLASSIFICATION: "F.cross_entropy({outputs}, {targets})",
    Task.SEGMENTATION: "F.cross_entropy({outputs}, {targets})",
    Task.AUTOENCODER: "F.mse_loss({outputs}, {targets})",
}
INPUTS = """
def example_inputs(batch_size={batch}):
    return (torch.rand(batch_size, 3, {pixels}, {pixels}),)
"""
TARGETS = {
    Task.CLASSIFICATION: """
def example_targets(batch_size={batch}):
    return (torch.arange(batch_size) % {classes},)
""",
    Task.SEGMENTATION: """
def example_targets(batch_size={batch}):
    masks = torch.arange(batch_size).view(-1, 1, 1) % {classes}
    return (masks.repeat(1, {pixels}, {pixels}),)
""",
    Task.AUTOENCODER: """
def example_targets(batch_size={batch}):
    return (torch.linspace(0, 1, batch_size).view(-1, 1, 1, 1).repeat(1, 3, {pixels}, {pixels}),)
""",
}
RUNS = {
    Run.FORWARD: "",
    Run.PREDICT: """
def run(net, images):
    net.eval()
    with torch.no_grad():
        outputs = net(images)
    return outputs{own}
""",
    Run.LOSS: """
def run(net, images, targets):
    outputs = net(images)
    {loss}
    loss.backward()
    return loss
""",
    Run.TRAIN: """
def run(net, images, targets):
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.004)
    net.train()
    total = torch.zeros(())
    batches = list(zip(images.split(4), targets.split(4)))
    for batch, labels in batches:
        optimizer.zero_grad()
        outputs = net(batch)
        {batch_loss}
        loss.backward()
        optimizer.step()
        total += loss.detach()
    return total / len(batches)
""",
    Run.SCHEDULE: """
def run(net, images, targets):
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.001)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    net.train()
    for epoch in range(2):
        for batch, labels in zip(images.split(4), targets.split(4)):
            optimizer.zero_grad()
            outputs = net(batch)
            {batch_loss}
            loss.backward()
            optimizer.step()
        scheduler.step()
    return loss
""",
    Run.VALIDATE: """
def run(net, images, targets):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
    for epoch in range(2):
        net.train()
        optimizer.zero_grad()
        outputs = net(images)
        {loss}
        loss.backward()
        optimizer.step()
        net.eval()
        with torch.no_grad():
            outputs = net(images)
            validation_loss = {validation_loss}
    print("validation loss", validation_loss.item())
    return loss
""",
}
SCORE = """
def score(outputs, targets):
    predicted = outputs.argmax(dim=1)
    return (predicted == targets).float().mean()
"""
GUARD = """
if __name__ == "__main__":
    {call}
"""


def run_text(host: Host, run: Run, drawn: Drawn) -> str:
    """Return the functions after the network, and the main guard."""
    task, has_targets = host.task, run not in {Run.FORWARD, Run.PREDICT}
    own = host.auxiliary.own if host.auxiliary and host.auxiliary.in_eval else ""
    values = {
        "batch": BATCH,
        "pixels": drawn.pixels,
        "classes": drawn.classes,
        "loss": _loss(host, "targets"),
        "batch_loss": _loss(host, "labels"),
        "validation_loss": LOSSES[task].format(outputs=f"outputs{own}", targets="targets"),
        "own": own,
    }
    has_score = task is Task.CLASSIFICATION and run in {Run.LOSS, Run.VALIDATE}
    parts = [
        INPUTS,
        TARGETS[task] if has_targets else "",
        RUNS[run],
        SCORE if has_score else "",
        GUARD,
    ]
    targets = ", *example_targets()" if has_targets else ""
    plain = "Net()(*example_inputs())"
    call = plain if run is Run.FORWARD else f"run(Net(), *example_inputs(){targets})"
    return dedent("".join(parts)).format(**values, call=call)


def _loss(host: Host, targets: str) -> str:
    """Return the statement of the loss in training, after those of auxiliary losses, on one line.

    They become lines of their own when the program is written.
    """
    one, auxiliary = LOSSES[host.task], host.auxiliary
    if auxiliary is None:
        return f"loss = {one.format(outputs='outputs', targets=targets)}"
    number = len(auxiliary.others)
    names = [f"{AUXILIARY}{at}" for at in range(1, number + 1)] if number > 1 else [AUXILIARY]
    lines = [
        f"{name} = {one.format(outputs=f'outputs{key}', targets=targets)}"
        for name, key in zip(names, auxiliary.others, strict=True)
    ]
    total = f"({' + '.join(names)})" if number > 1 else AUXILIARY
    own = one.format(outputs=f"outputs{auxiliary.own}", targets=targets)
    return "; ".join([*lines, f"loss = {own} + {auxiliary.weight} * {total}"])
