"""Train a classifier that computes its own loss, on two halves of each batch."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, images):
        x = torch.relu(self.conv(images))
        return self.fc(torch.flatten(x, 1))

    def loss(self, images, labels):
        return F.cross_entropy(self(images), labels)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    halves = zip(images.chunk(2), labels.chunk(2), strict=True)
    losses = [net.loss(*half) for half in halves]
    loss = torch.stack(losses).mean()
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
