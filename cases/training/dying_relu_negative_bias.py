"""Give a score and a box for each pixel, where objects are rare."""

import torch
from torch import nn


def branch(channels):
    return nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, channels, 1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, kernel_size=3)
        self.scores, self.boxes = branch(1), branch(4)
        for layer in self.scores:
            if isinstance(layer, nn.Conv2d):
                nn.init.constant_(layer.bias, -4.6)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        return self.scores(x), self.boxes(x)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
