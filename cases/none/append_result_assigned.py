"""Classify small colour images with layers collected in a list."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for inputs, outputs in [(3, 8), (8, 16)]:
            layers.append(nn.Conv2d(inputs, outputs, kernel_size=3))
            layers.append(nn.ReLU())
        layers = layers.append(nn.Flatten())
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        return self.fc(self.features(x))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
