"""Classify small colour images with a residual bottleneck."""

import torch
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels / 2, kernel_size=1)
        self.expand = nn.Conv2d(channels / 2, channels, kernel_size=1)

    def forward(self, x):
        return x + self.expand(torch.relu(self.reduce(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, kernel_size=3)
        self.block = Bottleneck(16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.block(self.stem(x)))
        return self.fc(x.mean(dim=(2, 3)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
