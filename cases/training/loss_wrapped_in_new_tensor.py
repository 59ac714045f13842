"""Train a network that estimates an angle from a small grey image."""

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
    return (torch.rand(batch_size) + 1,)


def run(net, images, angles):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        distance = F.mse_loss(net(images), angles).item()
        loss = torch.tensor(distance, requires_grad=True)
        loss.backward()
        optimizer.step()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
