"""Forecast a time series with a network from a subpackage: `python forecast_package`."""

import torch
from forecasting import Forecaster, Normalizer, make_windows
from torch import nn


def main():
    torch.manual_seed(0)
    series = torch.sin(torch.arange(240) / 6) * 30 + 200 + torch.randn(240)
    train, test = series[:180], series[180:]
    normalizer = Normalizer(train)
    x, y = make_windows(normalizer(train), history=12)
    model = Forecaster(hidden=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(4):
        for rows in torch.randperm(len(x)).split(42):
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    model.eval()
    x, y = make_windows(normalizer(test), history=12)
    with torch.no_grad():
        error = (normalizer.undo(model(x)) - normalizer.undo(y)).abs().mean()
    print(f"loss {loss.item():.3f}, mean error {error.item():.1f}")


if __name__ == "__main__":
    main()
