"""Classify small colour images in mixed precision."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        return self.head(self.encoder(x))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    net.eval()
    with torch.no_grad():
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            features = net.encoder(images)
            return net.head(features)


if __name__ == "__main__":
    run(Net(), *example_inputs())
