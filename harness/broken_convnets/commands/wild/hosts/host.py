"""What a model needs to become a program: its class, arguments, images and task."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random


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
class Host:
    """A model: the class `base` of a module.

    `draw` draws a configuration. `file` is that of the module if it is not installed. `output` is
    the key of the model's output, if that is a dictionary. `narrow` says whether the numbers of
    channels in its code may be divided.
    """

    name: str
    module: str
    base: str
    draw: Callable[[Random], Drawn]
    task: Task = Task.CLASSIFICATION
    file: Path | None = None
    output: str = ""
    narrow: bool = True
