"""A small student learns from a large teacher's soft labels and from the true labels."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

TEMPERATURE, ALPHA = 3.0, 0.7


def mlp(width):
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 5))


def fit(model, loader, epochs, loss_of):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            loss = loss_of(model, x, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


def supervised(model, x, y):
    return F.cross_entropy(model(x), y)


def distilled_from(teacher):
    teacher.eval()

    def loss_of(student, x, y):
        with torch.no_grad():
            soft = F.softmax(teacher(x) / TEMPERATURE, dim=1)
        logits = student(x)
        imitation = F.kl_div(F.log_softmax(logits / TEMPERATURE, 1), soft, reduction="batchmean")
        return ALPHA * TEMPERATURE**2 * imitation + (1 - ALPHA) * F.cross_entropy(logits, y)

    return loss_of


def main():
    torch.manual_seed(0)
    x = torch.randn(96, 8)
    y = x[:, :5].argmax(dim=1)
    loader = DataLoader(TensorDataset(x, y), batch_size=24, shuffle=True)
    teacher, student = mlp(64), mlp(8)
    print(f"teacher {fit(teacher, loader, 4, supervised):.3f}")
    print(f"student {fit(student, loader, 4, distilled_from(teacher)):.3f}")


if __name__ == "__main__":
    main()
