"""Find objects in small colour images with a small U-Net."""

import torch
from torch import nn


def block(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = block(3, 8)
        self.pool = nn.MaxPool2d(2)
        self.bottom = block(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, kernel_size=2, stride=2)
        self.merge = block(8 + 8, 8)
        self.head = nn.Conv2d(8, 2, kernel_size=1)

    def forward(self, x):
        skip = self.down(x)
        x = self.up(self.bottom(self.pool(skip)))
        x = self.merge(torch.cat([skip, x], dim=1))
        return self.head(x)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 16, 16),)


if __name__ == "__main__":
    Net()(*example_inputs())
