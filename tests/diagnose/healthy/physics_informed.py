"""A physics-informed network: u'' + u = 0 with u(0) = 0 and u'(0) = 1, by second derivatives."""

import math

import torch
from torch import nn


class Solution(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()
        )
        self.out = nn.Linear(hidden, 1, bias=False)

    def forward(self, t):
        return self.out(self.net(t))


def derivative(values, inputs):
    (result,) = torch.autograd.grad(values.sum(), inputs, create_graph=True)
    return result


def residual(model, t):
    t = t.clone().requires_grad_(True)
    u = model(t)
    return derivative(derivative(u, t), t) + u


def initial_error(model):
    t = torch.zeros(1, 1, requires_grad=True)
    u = model(t)
    return u.square().mean() + (derivative(u, t) - 1).square().mean()


def solve(steps=40, points=32):
    model = Solution()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    history = []
    for _ in range(steps):
        t = math.pi * torch.rand(points, 1)
        loss = residual(model, t).square().mean() + 5 * initial_error(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return model, history


if __name__ == "__main__":
    torch.manual_seed(0)
    model, history = solve()
    t = torch.linspace(0, math.pi, 20).unsqueeze(1)
    with torch.no_grad():
        error = (model(t) - t.sin()).abs().max().item()
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}, largest error {error:.2f}")
