"""Classify small colour images one by one, without a batch dimension."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(x.mean(dim=(-2, -1)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


@torch.no_grad()
def run(net, images):
    net.eval()
    return torch.stack([net(image) for image in images])


if __name__ == "__main__":
    run(Net(), *example_inputs())
