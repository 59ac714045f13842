"""Classify small colour images with grouped bottlenecks."""

import torch
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        width = channels // 4
        self.reduce = nn.Conv2d(channels, width, kernel_size=1, groups=groups)
        self.expand = nn.Conv2d(width, channels, kernel_size=1, groups=groups)

    def forward(self, x):
        return x + self.expand(torch.relu(self.reduce(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, kernel_size=3)
        self.block = Bottleneck(24, groups=4)
        self.fc = nn.Linear(24, 10)

    def forward(self, x):
        x = torch.relu(self.block(self.stem(x)))
        return self.fc(x.mean(dim=(2, 3)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
