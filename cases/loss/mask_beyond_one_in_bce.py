"""Segment objects with a binary mask, stored as an image of black and white."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Sequential):
    def __init__(self):
        conv, classify = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 1, 1)
        super().__init__(conv, nn.ReLU(), classify)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    inside = torch.rand(batch_size, 1, 8, 8) > 0.5
    return (inside.to(torch.uint8) * 255,)


def run(net, images, masks):
    targets = masks.float()
    loss = F.binary_cross_entropy_with_logits(net(images), targets)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
