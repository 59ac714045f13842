"""Train a network that estimates an angle which NumPy holds."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1)).squeeze(1)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 1, 8, 8),)


def example_targets(batch_size=4):
    return (torch.from_numpy(np.linspace(0, np.pi, batch_size)),)


def run(net, images, angles):
    loss = F.mse_loss(net(images), angles)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
