"""Classify small colour images with two residual blocks."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, before, after, downsample=None):
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel_size=3, padding=1)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        if self.downsample is not None:
            identity = self.downsample(x)
        return torch.relu(self.conv(x) + identity)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = Block(3, 8, downsample=nn.Conv2d(3, 8, kernel_size=1))
        self.block2 = Block(8, 8)
        self.fc = nn.Linear(8 * 8 * 8, 10)

    def forward(self, x):
        x = self.block2(self.block1(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
