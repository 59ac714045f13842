"""A one-stage detector by hand: a grid of cells, each predicts objectness, a box and a class."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class GridSpec:
    side: int = 4
    cell: int = 4
    classes: int = 2

    @property
    def outputs(self) -> int:
        return 1 + 4 + self.classes


class GridDetector(nn.Module):
    def __init__(self, spec: GridSpec):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.1),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.1),
            nn.Conv2d(16, spec.outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return predictions of shape (batch, side, side, outputs)."""
        return self.net(x).permute(0, 2, 3, 1)


def detection_loss(found: Tensor, wanted: Tensor, kinds: Tensor) -> Tensor:
    has_object = wanted[..., 0]
    objectness = F.binary_cross_entropy_with_logits(found[..., 0], has_object)
    where = has_object.bool()
    boxes = F.mse_loss(torch.sigmoid(found[where][:, 1:5]), wanted[where][:, 1:5])
    return objectness + 5 * boxes + F.cross_entropy(found[where][:, 5:], kinds[where])


def scenes(spec: GridSpec, count: int) -> tuple[Tensor, Tensor, Tensor]:
    size = spec.side * spec.cell
    images = 0.1 * torch.rand(count, 1, size, size)
    wanted = torch.zeros(count, spec.side, spec.side, 5)
    kinds = torch.zeros(count, spec.side, spec.side, dtype=torch.long)
    for i in range(count):
        row, column = torch.randint(0, spec.side, (2,)).tolist()
        kind = int(torch.randint(0, spec.classes, ()))
        y, x = row * spec.cell, column * spec.cell
        images[i, 0, y : y + 3, x : x + 3] += 0.5 + 0.5 * kind
        wanted[i, row, column] = torch.tensor([1.0, 0.375, 0.375, 3 / size, 3 / size])
        kinds[i, row, column] = kind
    return images, wanted, kinds


def main() -> None:
    torch.manual_seed(0)
    spec = GridSpec()
    model = GridDetector(spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(12):
        images, wanted, kinds = scenes(spec, 8)
        loss = detection_loss(model(images), wanted, kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        images, wanted, _ = scenes(spec, 8)
        best = model(images)[..., 0].flatten(1).argmax(dim=1)
    found = (best == wanted[..., 0].flatten(1).argmax(dim=1)).float().mean()
    print(f"loss {loss.item():.3f}, cells found {found:.2f}")


if __name__ == "__main__":
    main()
