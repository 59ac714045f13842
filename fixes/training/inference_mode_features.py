"""Train a head on the features of a frozen backbone."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, kernel_size=3).requires_grad_(False)
        self.head = nn.Linear(8 * 6 * 6, 10)

    def features(self, x):
        with torch.no_grad():
            x = torch.relu(self.backbone(x))
            return torch.flatten(x, 1)

    def forward(self, x):
        return self.head(self.features(x))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
