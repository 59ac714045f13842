"""Uncertainty of a regression: dropout stays on at prediction, on purpose."""

import torch
from torch import nn


def make_regressor():
    return nn.Sequential(
        nn.Linear(4, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(32, 1),
    )


def fit(model, x, y, epochs):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    history = []
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(16):
            loss = (model(x[rows]) - y[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(loss.item())
    return history


def enable_dropout(model):
    """Put the dropout layers alone in train mode; batch normalization stays in eval mode."""
    model.eval()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.train()


@torch.no_grad()
def predict_with_uncertainty(model, x, draws=25):
    enable_dropout(model)
    samples = torch.stack([model(x) for _ in range(draws)])
    return samples.mean(dim=0), samples.std(dim=0)


torch.manual_seed(0)
x = torch.randn(64, 4)
y = x.sum(dim=1, keepdim=True) + 0.05 * torch.randn(64, 1)
model = make_regressor()
history = fit(model, x, y, epochs=12)
mean, std = predict_with_uncertainty(model, x[:5])
print(f"loss {history[-1]:.3f}, first prediction {mean[0].item():.2f} +- {std[0].item():.2f}")
