"""Store the average of a classifier's weights, and load it for inference."""

import torch
from torch import nn
from torch.optim.swa_utils import update_bn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


@torch.no_grad()
def save(net, path):
    update_bn(example_inputs(32), net)
    average = Net()
    for ours, theirs in zip(average.parameters(), net.parameters(), strict=True):
        ours.copy_(theirs)
    torch.save(average.state_dict(), path)


def load(net, path):
    net.load_state_dict(torch.load(path))


if __name__ == "__main__":
    Net()(*example_inputs())
