"""Train a classifier of two classes to tell how images are turned."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 2)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    net.fc = nn.Linear(8 * 6 * 6, 4)
    turns = torch.arange(len(images)) % 4
    turned = [torch.rot90(x, int(k), (1, 2)) for x, k in zip(images, turns)]
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(torch.stack(turned)), turns)
        loss.backward()
        optimizer.step()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs())
