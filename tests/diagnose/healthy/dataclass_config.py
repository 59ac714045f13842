"""A run described by nested dataclasses; a registry of architectures and optimizers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Callable

import torch
from torch import Tensor, nn

ARCHITECTURES: dict[str, Callable[[ModelConfig], nn.Module]] = {}


@dataclass
class ModelConfig:
    name: str = "cnn"
    widths: tuple[int, ...] = (8, 16)
    classes: int = 3
    dropout: float = 0.1


@dataclass
class OptimizerConfig:
    name: str = "SGD"
    options: dict[str, float] = field(default_factory=lambda: {"lr": 0.05, "momentum": 0.9})


@dataclass
class Config:
    seed: int = 0
    steps: int = 10
    batch_size: int = 12
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


def register(build: Callable[[ModelConfig], nn.Module]) -> Callable[[ModelConfig], nn.Module]:
    ARCHITECTURES[build.__name__] = build
    return build


@register
def cnn(config: ModelConfig) -> nn.Module:
    layers: list[nn.Module] = []
    channels = 1
    for width in config.widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = width
    head = [nn.Flatten(), nn.Dropout(config.dropout), nn.LazyLinear(config.classes)]
    return nn.Sequential(*layers, *head)


def waves(count: int, classes: int) -> tuple[Tensor, Tensor]:
    labels = torch.randint(0, classes, (count,))
    position = torch.arange(8) / 8
    rows = torch.sin(2 * torch.pi * (labels + 1)[:, None] * position)
    images = rows.view(count, 1, 1, 8).expand(-1, -1, 8, -1)
    return images + 0.1 * torch.randn(count, 1, 8, 8), labels


def run(config: Config) -> float:
    torch.manual_seed(config.seed)
    model = ARCHITECTURES[config.model.name](config.model)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, 8, 8))  # lazy layers learn their sizes before the optimizer
    optimizer = getattr(torch.optim, config.optimizer.name)(
        model.parameters(), **config.optimizer.options
    )
    model.train()
    for _ in range(config.steps):
        images, labels = waves(config.batch_size, config.model.classes)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


if __name__ == "__main__":
    settings = Config()
    loss = run(settings)
    print(f"{asdict(settings)['model']['name']}: loss {loss:.3f}")
