"""Train a network that reads the five digits of a number plate."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 5 * 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = self.fc(torch.flatten(x, 1))
        return x.unflatten(1, (5, 10))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 1, 8, 8),)


def example_targets(batch_size=4):
    plates = torch.arange(batch_size)[:, None] + torch.arange(5)
    return (plates % 10,)


def run(net, images, digits):
    loss = F.cross_entropy(net(images).transpose(1, 2), digits)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
