"""Train a classifier of small colour images, then use it."""

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

    def train(self, images, labels):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(self(images), labels).backward()
            optimizer.step()


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    net.train(images, labels)
    net.eval()
    with torch.no_grad():
        return net(images)


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
