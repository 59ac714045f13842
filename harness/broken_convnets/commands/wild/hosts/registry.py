"""The registry of hosts: the models of torchvision, a U-Net, an autoencoder, and users' files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.hosts.host import Drawn, Host, Task
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Draw = Callable[[Random], Drawn]

MODELS = "torchvision.models"
TEMPLATES = "broken_convnets.commands.wild.hosts.templates"
CLASSES = range(3, 11)
PIXELS = 32


def _drawing(
    template: str, pixels: tuple[int, ...] = (PIXELS,), **options: tuple[object, ...]
) -> Draw:
    """Return a function that fills `template` with a random value of each of the options."""

    def draw(rng: Random) -> Drawn:
        chosen = {name: rng.choice(values) for name, values in options.items()}
        size, classes = rng.choice(pixels), rng.choice(CLASSES)
        filled = template.format(**chosen, classes=classes, pixels=size)
        return Drawn(filled, size, classes)

    return draw


def _depths(low: int, high: int, stages: int = 4) -> tuple[str, ...]:
    """Return lists of numbers of blocks, as text, for `stages` stages."""
    pattern = [low, high, low, high, high, low]
    return tuple(
        str([pattern[(start + stage) % len(pattern)] for stage in range(stages)])
        for start in range(len(pattern))
    )


HOSTS = {
    host.name: host
    for host in (
        Host(
            "resnet",
            f"{MODELS}.resnet",
            "ResNet",
            _drawing(
                "{block}, {layers}, num_classes={classes}",
                block=("BasicBlock", "Bottleneck"),
                layers=_depths(1, 3),
            ),
        ),
        Host(
            "vgg",
            f"{MODELS}.vgg",
            "VGG",
            _drawing(
                "make_layers({cfg}, batch_norm={norm}), num_classes={classes}, dropout={drop}",
                cfg=(
                    "[32, 'M', 64, 'M', 128, 512, 'M']",
                    "[64, 64, 'M', 128, 'M', 512, 'M']",
                    "[32, 'M', 64, 64, 'M', 256, 'M', 512]",
                ),
                norm=(True, True, False),
                drop=(0.1, 0.2),
            ),
        ),
        Host(
            "mobilenet_v2",
            f"{MODELS}.mobilenetv2",
            "MobileNetV2",
            _drawing(
                "num_classes={classes}, inverted_residual_setting={setting}, dropout={drop}",
                setting=(
                    "[[1, 64, 1, 1], [4, 96, 3, 2], [4, 128, 2, 2]]",
                    "[[1, 64, 1, 1], [3, 64, 2, 1], [6, 128, 3, 2]]",
                    "[[2, 96, 3, 2], [4, 128, 3, 1]]",
                ),
                drop=(0.1, 0.2),
            ),
        ),
        Host(
            "shufflenet",
            f"{MODELS}.shufflenetv2",
            "ShuffleNetV2",
            _drawing(
                "{repeats}, {channels}, num_classes={classes}",
                repeats=("[2, 4, 2]", "[3, 2, 2]", "[2, 3, 3]"),
                channels=("[64, 128, 256, 384, 512]", "[96, 192, 256, 512, 512]"),
            ),
        ),
        Host(
            "squeezenet",
            f"{MODELS}.squeezenet",
            "SqueezeNet",
            _drawing(
                "'{version}', num_classes={classes}, dropout={drop}",
                version=("1_0", "1_1"),
                drop=(0.1, 0.2),
                pixels=(32, 40, 48),
            ),
        ),
        Host(
            "densenet",
            f"{MODELS}.densenet",
            "DenseNet",
            _drawing(
                "growth_rate={growth}, block_config={blocks}, num_init_features={width}, "
                "bn_size=2, drop_rate={drop}, num_classes={classes}",
                growth=(4, 6, 8),
                blocks=("(2, 3, 2)", "(2, 2, 3)", "(3, 2)"),
                width=(8, 12),
                drop=(0.1, 0.2),
            ),
        ),
        Host(
            "unet",
            f"{TEMPLATES}.unet",
            "UNet",
            _drawing(
                "channels={width}, depth={depth}, num_classes={classes}",
                width=(4, 6, 8),
                depth=(2, 3),
            ),
            task=Task.SEGMENTATION,
            narrow=False,
        ),
        Host(
            "autoencoder",
            f"{TEMPLATES}.autoencoder",
            "Autoencoder",
            _drawing(
                "channels={width}, pixels={pixels}, code={code}",
                width=(4, 6, 8),
                code=(12, 16, 24),
                pixels=(16, 24, 32),
            ),
            task=Task.AUTOENCODER,
            narrow=False,
        ),
    )
}


def hosts_named(names: list[str]) -> list[Host]:
    """Return hosts by name or as `FILE.py:CLASS`; all of them without names.

    Raises UsageError for an unknown name.
    """
    return [_host(name) for name in names] if names else list(HOSTS.values())


def _host(name: str) -> Host:
    file, _, base = name.rpartition(":")
    if file.endswith(".py"):
        return _from_file(Path(file), base)
    if name not in HOSTS:
        message = f"--models {name}: unknown; choose from {', '.join(HOSTS)}, or name FILE.py:CLASS"
        raise UsageError(message)
    return HOSTS[name]


def _from_file(path: Path, base: str) -> Host:
    """Return the host for a class in a user's file: no arguments, images of 3 channels."""
    if not path.is_file():
        message = f"--models {path}:{base}: there is no such file"
        raise UsageError(message)
    return Host(path.stem, path.stem, base, _drawing(""), file=path, narrow=False)
