"""What a model needs to become a program: its class, arguments, images and task."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    Draw = Callable[[Random], "Drawn"]


CLASSES = range(3, 9)


class Task(StrEnum):
    """What a model is trained for."""

    CLASSIFICATION = "classification"
    SEGMENTATION = "segmentation"
    AUTOENCODER = "autoencoder"


@dataclass(frozen=True)
class Drawn:
    """One drawn configuration of a model: its arguments as source code, and the image size."""

    arguments: str
    pixels: int
    classes: int


@dataclass(frozen=True)
class Auxiliary:
    """What a model returns in training besides its own output: those of auxiliary heads.

    `own` and `others` select an output, as source code: `.logits`, `["out"]`. `weight` is that of
    each other loss in the sum. In eval mode the model returns its own output alone, unless
    `in_eval`.
    """

    own: str
    others: tuple[str, ...]
    weight: float
    in_eval: bool = False


@dataclass(frozen=True)
class Host:
    """A model: the class `base` of a module.

    `draw` draws a configuration. `file` is that of the module if it is not installed. `output` is
    the key of the model's output, if that is a dictionary and nothing else in it is used. One of
    `factors` divides the numbers of channels in its code. `names` are what the arguments use
    besides the module's own names.

    A healthy program with a loss must learn one batch, so a model that does not (`learns`) has no
    loss. The gradients of a loss that no optimizer follows must agree with finite differences. If
    the loss has kinks in between (not `smooth`), it depends on their random directions whether
    they do, so that the model is only trained. So is one with `auxiliary` heads: the laws of a loss
    without an optimizer compute it in eval mode too, where there is no output of such a head.
    """

    name: str
    module: str
    base: str
    draw: Callable[[Random], Drawn]
    task: Task = Task.CLASSIFICATION
    file: Path | None = None
    output: str = ""
    factors: tuple[int, ...] = (4, 8, 8)
    learns: bool = True
    smooth: bool = True
    auxiliary: Auxiliary | None = None
    names: dict[str, str] = field(default_factory=dict, hash=False)


def drawing(template: str, pixels: tuple[int, ...] = (32,), **options: tuple[object, ...]) -> Draw:
    """Return a function that fills `template` with a random value of each of the options.

    `{classes}` and `{pixels}` are drawn too.
    """

    def draw(rng: Random) -> Drawn:
        chosen = {name: rng.choice(values) for name, values in options.items()}
        size, classes = rng.choice(pixels), rng.choice(CLASSES)
        return Drawn(template.format(**chosen, classes=classes, pixels=size), size, classes)

    return draw
