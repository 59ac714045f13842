"""Train a network that estimates the depth of each pixel."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.depth = nn.Conv2d(16, 1, kernel_size=1)

    def forward(self, x):
        return self.depth(torch.relu(self.conv(x)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    depths = torch.ones(batch_size, 1, 8, 8)
    depths[:, :, :2] = float("nan")
    return (depths,)


def run(net, images, depths):
    known = depths.isfinite()
    loss = F.mse_loss(net(images)[known], depths[known])
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
