"""A flow of affine couplings, trained by maximum likelihood and inverted exactly."""

import math

import torch
from torch import nn


class Coupling(nn.Module):
    """Half of the values scale and shift the other half."""

    def __init__(self, flip, hidden=24):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def parts(self, x):
        first, second = x.chunk(2, dim=1)
        return (second, first) if self.flip else (first, second)

    def join(self, fixed, moved):
        return torch.cat([moved, fixed] if self.flip else [fixed, moved], dim=1)

    def forward(self, x):
        fixed, moved = self.parts(x)
        log_scale, shift = self.net(fixed).chunk(2, dim=1)
        log_scale = torch.tanh(log_scale)
        return self.join(fixed, moved * log_scale.exp() + shift), log_scale.sum(dim=1)

    def inverse(self, y):
        fixed, moved = self.parts(y)
        log_scale, shift = self.net(fixed).chunk(2, dim=1)
        return self.join(fixed, (moved - shift) * torch.exp(-torch.tanh(log_scale)))


class Flow(nn.Module):
    def __init__(self, depth=4):
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(flip=bool(i % 2)) for i in range(depth))

    def log_prob(self, x):
        log_det = torch.zeros(len(x))
        for coupling in self.couplings:
            x, change = coupling(x)
            log_det = log_det + change
        log_base = -0.5 * x.square().sum(dim=1) - math.log(2 * math.pi)
        return log_base + log_det

    @torch.no_grad()
    def sample(self, count):
        x = torch.randn(count, 2)
        for coupling in reversed(self.couplings):
            x = coupling.inverse(x)
        return x


def banana(count):
    x = torch.randn(count, 2)
    return torch.stack([x[:, 0], 0.5 * x[:, 1] + x[:, 0].square() - 1], dim=1)


torch.manual_seed(0)
flow = Flow()
optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
for _ in range(20):
    loss = -flow.log_prob(banana(64)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"negative log likelihood {loss.item():.3f}, samples {tuple(flow.sample(4).shape)}")
