"""Trace a classifier of small colour images with one global pooling."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        side = min(x.shape[-2], x.shape[-1])
        x = F.avg_pool2d(x, side)
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    net.eval()
    traced = torch.fx.symbolic_trace(net)
    with torch.no_grad():
        return traced(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
