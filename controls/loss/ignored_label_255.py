"""Train a network that marks the pixels of an object, some of them unknown."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3, padding=1)
        self.head = nn.Conv2d(8, 2, kernel_size=1)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)))


def example_inputs(batch_size=4):
    images = torch.randn(batch_size, 3, 8, 8) - 2
    images[:, :, 2:6, 2:6] += 4
    return (images,)


def example_targets(batch_size=4):
    masks = torch.zeros(batch_size, 8, 8, dtype=torch.int64)
    masks[:, 2:6, 2:6] = 1
    masks[:, 0] = 255
    return (masks,)


def run(net, images, masks):
    loss = F.cross_entropy(net(images), masks, ignore_index=255)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
