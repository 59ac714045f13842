"""Classify small colour images with channel attention."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.score = nn.Conv2d(8, 8, kernel_size=1)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        weights = torch.sigmoid(self.score(x.mean(dim=(2, 3), keepdim=True)))
        return self.fc(torch.flatten(x * weights, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
