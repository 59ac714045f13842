"""Classify small colour images at three scales at once."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.small = nn.Conv2d(3, 8, kernel_size=1)
        self.medium = nn.Conv2d(3, 8, kernel_size=3)
        self.large = nn.Conv2d(3, 8, kernel_size=5)
        self.fc = nn.Linear(3 * 8, 10)

    def forward(self, x):
        branches = [self.small(x), self.medium(x), self.large(x)]
        pooled = [torch.relu(branch).mean(dim=(2, 3)) for branch in branches]
        return self.fc(torch.cat(pooled))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
