"""Classify small colour images by two views of each."""

import torch
from torch import nn


class Join(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 8, kernel_size=3)

    def forward(self, a, b):
        return self.conv(torch.cat([a, b], dim=1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(Join(), nn.ReLU(), nn.Flatten())
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, a, b):
        return self.fc(self.features(a, b))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8), torch.randn(batch_size, 3, 8, 8))


if __name__ == "__main__":
    Net()(*example_inputs())
