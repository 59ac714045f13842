"""Train a detector with smoothed targets for its single output."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return ((torch.arange(batch_size) % 2).float(),)


def run(net, images, labels):
    targets = 0.9 * labels + 0.05
    loss = F.binary_cross_entropy_with_logits(net(images).squeeze(1), targets)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
