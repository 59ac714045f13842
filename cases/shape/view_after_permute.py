"""Classify small colour images with a layer that mixes channels."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.mix = nn.Linear(8, 8)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = torch.relu(self.mix(x.permute(0, 2, 3, 1)))
        x = x.permute(0, 3, 1, 2)
        return self.fc(x.view(x.shape[0], -1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
