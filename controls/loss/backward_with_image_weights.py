"""Train a classifier whose rare images count more."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    labels = torch.arange(batch_size) % 10
    return labels, 1 + torch.rand(batch_size)


def run(net, images, labels, importance):
    losses = F.cross_entropy(net(images), labels, reduction="none")
    importance = importance / len(images)
    losses.backward(importance)
    return torch.dot(losses, importance)


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
