"""Tell real images of 16 by 16 pixels from drawn ones."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 16, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, 1, kernel_size=4),
        )

    def forward(self, x):
        return self.layers(x).flatten(1)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 16, 16),)


if __name__ == "__main__":
    Net()(*example_inputs())
