"""A mixture density network with torch.distributions: several answers for one input."""

import torch
from torch import nn
from torch.distributions import Categorical, MixtureSameFamily, Normal


class MixtureDensity(nn.Module):
    def __init__(self, hidden=24, components=3):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()
        )
        self.weights = nn.Linear(hidden, components)
        self.means = nn.Linear(hidden, components)
        self.scales = nn.Linear(hidden, components)

    def forward(self, x):
        hidden = self.body(x)
        scale = nn.functional.softplus(self.scales(hidden)) + 1e-3
        return MixtureSameFamily(
            Categorical(logits=self.weights(hidden)), Normal(self.means(hidden), scale)
        )


def inverse_sine(count):
    """Several x for one y: the inverse of a function that is not monotonic."""
    y = 2 * torch.rand(count) - 1
    x = y + 0.3 * torch.sin(2 * torch.pi * y) + 0.05 * torch.randn(count)
    return x.unsqueeze(1), y


def fit(model, steps, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    history = []
    for _ in range(steps):
        x, y = inverse_sine(64)
        loss = -model(x).log_prob(y).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def main():
    torch.manual_seed(0)
    model = MixtureDensity()
    history = fit(model, steps=25, lr=1e-2)
    model.eval()
    with torch.no_grad():
        x, _ = inverse_sine(4)
        samples = model(x).sample((6,))
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}, samples {tuple(samples.shape)}")


if __name__ == "__main__":
    main()
