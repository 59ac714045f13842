"""Two tasks on one encoder, weighted by learned uncertainties; one task lacks some labels."""

import torch
from torch import nn
from torch.nn import functional as F


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.heads = nn.ModuleDict({"kind": nn.Linear(32, 3), "size": nn.Linear(32, 1)})
        self.log_variance = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(())) for name in ("kind", "size")}
        )

    def forward(self, x):
        features = self.encoder(x)
        return {name: head(features) for name, head in self.heads.items()}

    def loss(self, outputs, kind, size):
        labeled = kind != -1
        losses = {
            "kind": F.cross_entropy(outputs["kind"][labeled], kind[labeled]),
            "size": F.mse_loss(outputs["size"].squeeze(1), size),
        }
        total = torch.zeros(())
        for name, value in losses.items():
            precision = torch.exp(-self.log_variance[name])
            total = total + precision * value + self.log_variance[name]
        return total, {name: value.item() for name, value in losses.items()}


def batch(count):
    kind = torch.randint(0, 3, (count,))
    size = 0.2 + 0.8 * torch.rand(count)
    images = torch.zeros(count, 1, 8, 8)
    for image, k, s in zip(images, kind.tolist(), size.tolist()):
        image[0, : 2 + 2 * k] = s
    kind[::4] = -1
    return images, kind, size


def main():
    torch.manual_seed(0)
    model = MultiTask()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(15):
        images, kind, size = batch(16)
        total, parts = model.loss(model(images), kind, size)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    print({name: round(value, 3) for name, value in parts.items()})


if __name__ == "__main__":
    main()
