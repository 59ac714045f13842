"""Fit a curve with L-BFGS, which calls its closure several times in a step."""

import math

import torch
from torch import nn


class Curve(nn.Module):
    def __init__(self, hidden=10):
        super().__init__()
        self.first = nn.Linear(2, hidden)
        self.last = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def dataset(count):
    x = torch.rand(count, 2)
    return x, torch.sin(math.pi * x[:, :1] * x[:, 1:])


def fit(model, x, y, steps=4):
    criterion = nn.MSELoss()
    optimizer = torch.optim.LBFGS(
        model.parameters(), lr=0.5, max_iter=8, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        return loss

    losses = []
    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
    return losses


if __name__ == "__main__":
    torch.manual_seed(1)
    inputs, wanted = dataset(50)
    model = Curve()
    print([round(loss, 4) for loss in fit(model, inputs, wanted)])
    with torch.no_grad():
        unseen, truth = dataset(20)
        print(f"test error {nn.functional.mse_loss(model(unseen), truth).item():.4f}")
