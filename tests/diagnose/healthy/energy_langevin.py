"""An energy-based model, trained with samples drawn by Langevin dynamics."""

import torch
from torch import nn


class Energy(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.SiLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.net(x).squeeze(1)


def langevin(energy, start, steps=6, size=0.05):
    """Move points downhill in energy, with noise; the weights of the model are not touched."""
    energy.requires_grad_(False)
    x = start.clone()
    for _ in range(steps):
        x.requires_grad_(True)
        (grad,) = torch.autograd.grad(energy(x).sum(), x)
        noise = torch.randn_like(x)
        x = (x - size * grad + (2 * size) ** 0.5 * 0.1 * noise).detach().clamp(-3, 3)
    energy.requires_grad_(True)
    return x


class ReplayBuffer:
    def __init__(self, size):
        self.points = torch.rand(size, 2) * 2 - 1

    def start(self, count):
        self.rows = torch.randperm(len(self.points))[:count]
        start = self.points[self.rows]
        fresh = torch.rand(count) < 0.1
        start[fresh] = torch.rand(int(fresh.sum()), 2) * 2 - 1
        return start

    def store(self, points):
        self.points[self.rows] = points


def data(count):
    side = torch.where(torch.rand(count, 1) < 0.5, -1.0, 1.0)
    return side * torch.tensor([1.0, 0.5]) + 0.15 * torch.randn(count, 2)


torch.manual_seed(0)
energy, buffer = Energy(), ReplayBuffer(128)
optimizer = torch.optim.Adam(energy.parameters(), lr=5e-3, betas=(0.0, 0.999))
for _ in range(12):
    fake = langevin(energy, buffer.start(32))
    buffer.store(fake)
    on_data, on_fake = energy(data(32)), energy(fake)
    regularizer = on_data.square().mean() + on_fake.square().mean()
    loss = on_data.mean() - on_fake.mean() + 0.1 * regularizer
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
