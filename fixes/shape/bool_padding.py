"""Classify small colour images with or without padding."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, pad):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1 if pad else 0, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = Block(3, 8, pad=True)
        self.block2 = Block(8, 8, pad=False)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = self.block2(self.block1(x))
        return self.fc(x.mean(dim=(2, 3)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
