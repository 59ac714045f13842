"""Train a classifier and collect its outputs for a metric at the end of the epoch."""

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


def example_inputs(batch_size=8):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=8):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    collected = []
    for batch, classes in zip(images.split(4), labels.split(4), strict=True):
        optimizer.zero_grad()
        outputs = net(batch)
        F.cross_entropy(outputs, classes).backward()
        optimizer.step()
        collected.append(outputs)
    return torch.cat(collected)


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
