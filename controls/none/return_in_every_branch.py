"""Classify small colour images with a choice of pooling."""

import torch
from torch import nn


class Pool(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        if self.kind == "max":
            return x.amax(dim=(2, 3))
        if self.kind == "mean":
            return x.mean(dim=(2, 3))
        return torch.flatten(x, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.pool = Pool("mean")
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv(x)))
        return self.fc(x)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
