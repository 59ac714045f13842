"""Classify small colour images with a list of convolutions."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [3, 8, 16]
        pairs = list(zip(sizes, sizes[1:]))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, kernel_size=3) for a, b in pairs)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        for number in range(len(self.convs)):
            x = torch.relu(self.convs[number](x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
