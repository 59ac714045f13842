"""A data loader with two worker processes, each with random numbers of its own."""

import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    """Rings and blobs, made on demand; `random` adds the jitter."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        label = index % 2
        grid = torch.linspace(-1, 1, 10)
        radius = (grid.view(-1, 1) ** 2 + grid.view(1, -1) ** 2).sqrt()
        shape = (radius < 0.5) if label else ((radius > 0.5) & (radius < 0.9))
        return shape.float().unsqueeze(0) * random.uniform(0.7, 1.3), label


def seed_worker(_):
    random.seed(torch.initial_seed() % 2**32)


def make_net():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 2),
    )


def main():
    torch.manual_seed(0)
    loader = DataLoader(
        Noisy(32),
        batch_size=8,
        shuffle=True,
        num_workers=2,
        worker_init_fn=seed_worker,
        persistent_workers=True,
    )
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    net.train()
    for _ in range(2):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(f"loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
