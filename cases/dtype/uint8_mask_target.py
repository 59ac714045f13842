"""Train a network that classifies each pixel."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, kernel_size=5, padding=2)
        self.head = nn.Conv2d(64, 4, kernel_size=1)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.randint(0, 4, (batch_size, 8, 8), dtype=torch.uint8),)


def run(net, images, masks):
    loss = F.cross_entropy(net(images), masks)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
