"""Train a network that maps similar images close together."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 16, bias=False)

    def forward(self, one, other):
        one, other = (
            self.fc(torch.relu(self.conv(x)).flatten(1)) for x in (one, other)
        )
        return (one - other).pow(2).sum(dim=1).sqrt()


def example_inputs(batch_size=4):
    one, other = torch.randn(2, batch_size, 3, 8, 8)
    other[::2] = one[::2]
    return one, other


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 2.0,)


def run(net, one, other, distances):
    loss = F.mse_loss(net(one, other), distances)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
