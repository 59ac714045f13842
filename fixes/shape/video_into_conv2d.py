"""Classify short videos given as colours, frames, height and width."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(x.flatten(2).mean(dim=2))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 5, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
