"""Classify small colour images with a depthwise convolution."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(3, 12, kernel_size=3, groups=3)
        self.pointwise = nn.Conv2d(12, 16, kernel_size=1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.depthwise(x))
        x = torch.relu(self.pointwise(x))
        return self.fc(x.mean(dim=(2, 3)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
