"""Classify small colour images with blocks that may halve the map."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, inputs, outputs, halve):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        self.halve = halve

    def forward(self, x):
        x = torch.relu(self.conv(x))
        if self.halve:
            return F.max_pool2d(x, 2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = Block(3, 8, halve=True)
        self.block2 = Block(8, 16, halve=False)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = self.block2(self.block1(x))
        return self.fc(x.mean(dim=(2, 3)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
