"""Train a classifier of small colour images after a rehearsal without data."""

import copy

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
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def rehearse(net, images, labels):
    plan = copy.deepcopy(net).to("meta")
    scores = plan(images.to("meta"))
    F.cross_entropy(scores, labels.to("meta")).backward()


def run(net, images, labels):
    rehearse(net, images, labels)
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
