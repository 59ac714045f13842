"""Magnitude pruning: masks keep the removed weights at zero while the rest is tuned."""

import torch
from torch import nn
from torch.nn.utils import prune


def build():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 9, 4)
    )


def corners(count):
    labels = torch.randint(0, 4, (count,))
    images = 0.2 * torch.randn(count, 1, 8, 8)
    for image, label in zip(images, labels.tolist()):
        row, column = divmod(label, 2)
        image[0, 5 * row : 5 * row + 3, 5 * column : 5 * column + 3] += 1
    return images, labels


def tune(model, steps, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    model.train()
    for _ in range(steps):
        images, labels = corners(16)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def sparsity(layers):
    zeros = sum((layer.weight == 0).sum().item() for layer in layers)
    return zeros / sum(layer.weight.numel() for layer in layers)


def main():
    torch.manual_seed(0)
    model = build()
    layers = [m for m in model if isinstance(m, (nn.Conv2d, nn.Linear))]
    before = tune(model, 10, lr=0.05)
    for layer in layers:
        prune.l1_unstructured(layer, "weight", amount=0.5)
    after = tune(model, 6, lr=0.01)
    for layer in layers:
        prune.remove(layer, "weight")
    print(f"loss {before:.3f} -> {after:.3f}, sparsity {sparsity(layers):.2f}")


if __name__ == "__main__":
    main()
