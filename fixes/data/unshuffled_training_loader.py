"""Train a classifier on photos that are sorted by class."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_loader(batch_size=4):
    images, labels = torch.randn(24, 3, 8, 8), torch.arange(24) // 8
    return DataLoader(TensorDataset(images, labels), batch_size, shuffle=True)


def example_inputs(batch_size=4):
    images, _ = next(iter(example_loader(batch_size)))
    return (images,)


def example_targets(batch_size=4):
    _, labels = next(iter(example_loader(batch_size)))
    return (labels,)


def run(net, images, labels):
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
