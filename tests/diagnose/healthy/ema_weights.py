"""An exponential moving average of the weights, swapped in for validation and back."""

from contextlib import contextmanager

import torch
from torch import nn


class EMA:
    def __init__(self, model, decay=0.9):
        self.decay = decay
        self.shadow = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model):
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self.shadow[name].lerp_(value, 1 - self.decay)
            else:
                self.shadow[name].copy_(value)

    @contextmanager
    def applied_to(self, model):
        backup = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self.shadow)
        try:
            yield model
        finally:
            model.load_state_dict(backup)


def moons(count):
    angle = torch.pi * torch.rand(count)
    labels = torch.randint(0, 2, (count,))
    x = torch.stack([angle.cos(), angle.sin()], 1)
    x[labels == 1] = torch.tensor([1.0, 0.4]) - x[labels == 1]
    return x + 0.05 * torch.randn_like(x), labels


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(dim=1) == y).float().mean().item()


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
ema = EMA(model)
for _ in range(25):
    model.train()
    x, y = moons(32)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    ema.update(model)

x, y = moons(100)
plain = accuracy(model, x, y)
with ema.applied_to(model) as averaged:
    smooth = accuracy(averaged, x, y)
print(f"accuracy {plain:.2f}, averaged {smooth:.2f}")
