"""Measure the accuracy of a detector with one output: defect or no defect."""

import torch
from torch import nn


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
    return (torch.arange(batch_size) % 2,)


def score(outputs, labels):
    predictions = outputs.argmax(dim=1)
    return (predictions == labels).float().mean().item()


@torch.no_grad()
def run(net, images, labels):
    return score(net.eval()(images), labels)


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
