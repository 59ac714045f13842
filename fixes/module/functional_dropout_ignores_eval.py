"""Classify small colour images with dropout before the last layer."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = F.dropout(torch.flatten(x, 1), p=0.5, training=self.training)
        return self.fc(x)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    net.eval()
    with torch.no_grad():
        return net(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
