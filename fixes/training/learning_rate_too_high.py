"""Train a network that counts the objects in a small grey image."""

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
    return (torch.rand(batch_size, 1, 8, 8),)


def example_targets(batch_size=4):
    return (1.0 + torch.arange(batch_size) % 5,)


def run(net, images, counts):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    history = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = F.mse_loss(net(images), counts)
        loss.backward()
        optimizer.step()
        history.append(loss.detach())
    return torch.stack(history)


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
