"""K-fold cross-validation: a new model and a new normalization for each fold."""

import statistics

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def folds(count, k):
    order = torch.randperm(count)
    parts = order.chunk(k)
    for number in range(k):
        train = torch.cat([part for i, part in enumerate(parts) if i != number])
        yield train, parts[number]


class Tabular(nn.Module):
    """Normalizes its input with statistics of the training rows, which it saves as buffers."""

    def __init__(self, train_rows, hidden=16):
        super().__init__()
        self.register_buffer("mean", train_rows.mean(dim=0))
        self.register_buffer("std", train_rows.std(dim=0))
        self.net = nn.Sequential(
            nn.Linear(train_rows.size(1), hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, x):
        return self.net((x - self.mean) / self.std).squeeze(-1)


def fit(model, loader, epochs=4):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()


@torch.no_grad()
def r_squared(model, x, y):
    model.eval()
    return 1 - ((model(x) - y).square().sum() / (y - y.mean()).square().sum()).item()


def main():
    torch.manual_seed(0)
    x = torch.randn(90, 4) * torch.tensor([1.0, 10.0, 100.0, 0.1]) + 5
    y = (x[:, 0] - 5) + (x[:, 1] - 5) / 10
    scores = []
    for train, test in folds(len(x), k=3):
        loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=15, shuffle=True)
        model = Tabular(x[train])
        fit(model, loader)
        scores.append(r_squared(model, x[test], y[test]))
    print(f"R squared {statistics.mean(scores):.2f} +- {statistics.stdev(scores):.2f}")


if __name__ == "__main__":
    main()
