"""Train a classifier of small colour images in batches of four."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, kernel_size=3)
        self.norm = nn.BatchNorm1d(32)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x)).mean(dim=(2, 3))
        return self.fc(self.norm(x))


def example_inputs(batch_size=9):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=9):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(images, labels), batch_size=4)
    for batch, classes in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(batch), classes)
        loss.backward()
        optimizer.step()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
