"""Classify small colour images with a traced encoder and dropout."""

import torch
from torch import nn
from torch.nn import functional as F


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)

    def forward(self, x):
        x = F.relu(self.conv(x))
        return F.dropout(x, 0.2, self.training)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.fx.symbolic_trace(Encoder())
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        return self.fc(torch.flatten(self.encoder(x), 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
