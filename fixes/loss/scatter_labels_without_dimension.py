"""Train a classifier with an independent yes or no for each class."""

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


def one_hot(labels, classes):
    targets = torch.zeros(len(labels), classes)
    return targets.scatter_(1, labels.unsqueeze(1), 1)


def run(net, images, labels):
    scores = net(images)
    targets = one_hot(labels, classes=scores.shape[1])
    loss = F.binary_cross_entropy_with_logits(scores, targets)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
