"""Find a learning rate on a copy of the model, then train the model itself."""

import copy

import torch
from torch import nn


def regression(count):
    x = torch.rand(count, 3) * 2 - 1
    return x, x.prod(dim=1, keepdim=True) * 3


def find_learning_rate(model, lowest=1e-4, highest=3.0, steps=15):
    """Raise the rate exponentially on a copy; return a tenth of the rate of the lowest loss."""
    trial = copy.deepcopy(model)
    optimizer = torch.optim.SGD(trial.parameters(), lr=lowest)
    schedule = torch.optim.lr_scheduler.ExponentialLR(
        optimizer, gamma=(highest / lowest) ** (1 / steps)
    )
    smooth, best, best_rate = None, float("inf"), lowest
    for _ in range(steps):
        x, y = regression(64)
        loss = nn.functional.mse_loss(trial(x), y)
        optimizer.zero_grad()
        loss.backward()
        rate = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        smooth = loss.item() if smooth is None else 0.7 * smooth + 0.3 * loss.item()
        if smooth > 4 * best:
            break
        if smooth < best:
            best, best_rate = smooth, rate
    return best_rate / 10


def train(model, rate, steps=25):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    model.train()
    for _ in range(steps):
        x, y = regression(64)
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1)
    )
    rate = find_learning_rate(model)
    print(f"learning rate {rate:.4f}, loss {train(model, rate):.3f}")
