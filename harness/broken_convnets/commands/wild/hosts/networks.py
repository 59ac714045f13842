"""The class `Net` around a model: as people adapt a model of a library to their images."""

from __future__ import annotations

from enum import StrEnum
from textwrap import dedent, indent
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.hosts.host import Task

if TYPE_CHECKING:
    from broken_convnets.commands.wild.hosts.host import Drawn, Host


class Wrapper(StrEnum):
    """What `Net` adds to the model."""

    NOTHING = "nothing"
    NORMALIZED = "normalized"  # by the mean and deviation of the data set
    CENTERED = "centered"  # each image by its own mean and deviation
    PROBABILITIES = "probabilities"  # softmax over the classes
    NEW_HEAD = "new_head"  # dropout and another linear layer


OF_SCORES = frozenset({Wrapper.PROBABILITIES, Wrapper.NEW_HEAD})
FEATURES = 12  # of the model below a new head

BODIES = {
    Wrapper.NORMALIZED: (
        """\
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
        """,
        """\
        x = x - self.mean
        x = x / self.std
        return {call}
        """,
    ),
    Wrapper.CENTERED: (
        "",
        """\
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = x - mean
        return {call}
        """,
    ),
    Wrapper.PROBABILITIES: (
        "",
        """\
        scores = {call}
        return torch.softmax(scores, dim=1)
        """,
    ),
    Wrapper.NEW_HEAD: (
        """\
        self.head = nn.Linear({features}, {classes})
        """,
        """\
        x = {call}
        x = torch.relu(x)
        x = F.dropout(x, p=0.2, training=self.training)
        return self.head(x)
        """,
    ),
}


def wrappers_of(host: Host) -> list[Wrapper]:
    """Return the wrappers that suit a model: some need the scores of classes, and nothing else."""
    has_scores = host.task is Task.CLASSIFICATION and host.auxiliary is None
    return [one for one in Wrapper if has_scores or one not in OF_SCORES]


def network_text(host: Host, drawn: Drawn, wrapper: Wrapper) -> str:
    """Return the source code of `Net`."""
    key = f'["{host.output}"]' if host.output else ""
    if wrapper is Wrapper.NOTHING:
        return _subclass(host, drawn, key)
    init, forward = map(dedent, BODIES[wrapper])
    arguments = drawn.arguments
    if wrapper is Wrapper.NEW_HEAD:
        arguments = arguments.replace(f"num_classes={drawn.classes}", f"num_classes={FEATURES}")
    created = f"self.model = {host.base}({arguments})\n"
    values = {"call": f"self.model(x){key}", "features": FEATURES, "classes": drawn.classes}
    return (
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"{indent(created + init.format(**values), ' ' * 8)}\n"
        "    def forward(self, x):\n"
        f"{indent(forward.format(**values), ' ' * 8)}\n"
    )


def _subclass(host: Host, drawn: Drawn, key: str) -> str:
    text = (
        f"class Net({host.base}):\n"
        "    def __init__(self):\n"
        f"        super().__init__({drawn.arguments})\n"
    )
    forward = f"\n    def forward(self, x):\n        return super().forward(x){key}\n"
    return text + (forward if key else "")
