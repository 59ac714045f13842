"""Train a new neck and a new last layer on convolutions that are already good."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, kernel_size=3), nn.ReLU())
        self.neck = nn.Conv2d(8, 4, kernel_size=3)
        self.fc = nn.Linear(4 * 4 * 4, 10)
        for name, parameter in self.named_parameters():
            parameter.requires_grad = name.startswith("fc.")

    def forward(self, x):
        x = torch.relu(self.neck(self.features(x)))
        return self.fc(torch.flatten(x, 1))


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
