"""Classify small colour images with convolutions of several sizes."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size / 2)

    def forward(self, x):
        return torch.relu(self.conv(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = Block(3, 8, kernel_size=5)
        self.block2 = Block(8, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 8 * 8, 10)

    def forward(self, x):
        x = self.block2(self.block1(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
