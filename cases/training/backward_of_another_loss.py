"""Train a network that classifies an object and finds its box."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.classify = nn.Linear(8 * 6 * 6, 5)
        self.locate = nn.Linear(8 * 6 * 6, 4)

    def forward(self, x):
        x = torch.relu(self.conv(x)).flatten(1)
        return self.classify(x), self.locate(x)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return torch.arange(batch_size) % 5, 8 * torch.rand(batch_size, 4)


def run(net, images, labels, boxes):
    scores, corners = net(images)
    class_loss = F.cross_entropy(scores, labels)
    box_loss = F.smooth_l1_loss(corners, boxes)
    loss = class_loss + box_loss
    class_loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
