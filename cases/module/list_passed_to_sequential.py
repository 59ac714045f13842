"""Classify small colour images with as many convolutions as wanted."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for before, after in [(3, 8), (8, 16)]:
            layers += [nn.Conv2d(before, after, kernel_size=3), nn.ReLU()]
        self.features = nn.Sequential(layers)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        x = self.features(x)
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
