"""Train a classifier of small colour images with a list of layers."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 8, kernel_size=3), nn.ReLU()])
        self.layers += [nn.Flatten(), nn.Linear(8 * 6 * 6, 10)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
