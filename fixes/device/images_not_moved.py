"""Classify small colour images; a dry run measures the features."""

import copy

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.BatchNorm2d(3),
            nn.Conv2d(3, 8, kernel_size=3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        probe = copy.deepcopy(self.features).to("meta")
        image = torch.zeros(1, 3, 12, 12, device="meta")
        self.fc = nn.Linear(probe(image).numel(), 10)

    def forward(self, x):
        return self.fc(torch.flatten(self.features(x), 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 12, 12),)


if __name__ == "__main__":
    Net()(*example_inputs())
