"""A neural ODE: one network is applied at many time steps of an integrator."""

import torch
from torch import nn


class Dynamics(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(self, time, state):
        time = time.expand(len(state), 1)
        return self.net(torch.cat([state, time], dim=1))


class RungeKutta(nn.Module):
    """Integrate with steps of the classical fourth-order method."""

    def __init__(self, dynamics, steps=4, length=1.0):
        super().__init__()
        self.dynamics = dynamics
        self.steps, self.length = steps, length

    def forward(self, state):
        h = self.length / self.steps
        trajectory = [state]
        for step in range(self.steps):
            t = torch.tensor(step * h)
            k1 = self.dynamics(t, state)
            k2 = self.dynamics(t + h / 2, state + h / 2 * k1)
            k3 = self.dynamics(t + h / 2, state + h / 2 * k2)
            k4 = self.dynamics(t + h, state + h * k3)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            trajectory.append(state)
        return torch.stack(trajectory, dim=1)


def rotation(count, steps=4, length=1.0):
    """True trajectories: points that rotate about the origin."""
    start = torch.randn(count, 2)
    angle = torch.linspace(0, length, steps + 1)
    cosine, sine = angle.cos(), angle.sin()
    x = start[:, :1] * cosine - start[:, 1:] * sine
    y = start[:, :1] * sine + start[:, 1:] * cosine
    return start, torch.stack([x, y], dim=-1)


def main():
    torch.manual_seed(0)
    model = RungeKutta(Dynamics())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(15):
        start, truth = rotation(32)
        loss = nn.functional.mse_loss(model(start), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        start, truth = rotation(16)
        error = (model(start)[:, -1] - truth[:, -1]).norm(dim=1).mean()
    print(f"loss {loss.item():.3f}, error at the end {error:.2f}")


if __name__ == "__main__":
    main()
