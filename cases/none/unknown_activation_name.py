"""Classify small colour images with an activation chosen by name."""

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU(), "gelu": nn.GELU(), "silu": nn.SiLU()}


class Net(nn.Module):
    def __init__(self, activation="ReLU"):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.activation = ACTIVATIONS.get(activation)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = self.activation(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
