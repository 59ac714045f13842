"""Classify recordings of six sensors, stored as images one pixel high."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(6, 8, kernel_size=5)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.conv(x.squeeze(2)))
        return self.fc(x.mean(dim=-1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 6, 1, 32),)


if __name__ == "__main__":
    Net()(*example_inputs())
