"""Train a classifier of small colour images with a second head halfway."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.early = nn.Conv2d(3, 8, kernel_size=3)
        self.late = nn.Conv2d(8, 16, kernel_size=3)
        self.side = nn.Linear(8 * 6 * 6, 10)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        x = torch.relu(self.early(x))
        side = self.side(torch.flatten(x, 1))
        x = torch.relu(self.late(x))
        x = self.fc(torch.flatten(x, 1))
        return (x, side) if self.training else x


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    net.train()
    outputs, side = net(images)
    loss = F.cross_entropy(outputs, labels) + 0.4 * F.cross_entropy(side, labels)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
