"""Classify small colour images on a backbone that is always in eval mode."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(8 * 6 * 6, 10))

    def train(self, mode=True):
        self.backbone.eval()
        return self

    def forward(self, x):
        return self.head(torch.flatten(self.backbone(x), 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    net.eval()
    with torch.no_grad():
        return net(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
