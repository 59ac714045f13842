"""Load the checkpoint of a classifier that was trained after torch.compile."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def save(net, path):
    compiled = torch.compile(net, backend="eager")
    torch.save(compiled.state_dict(), path)


def load(net, path):
    net.load_state_dict(torch.load(path))


@torch.no_grad()
def run(net, images):
    save(net, "classifier.pt")
    restored = Net()
    load(restored, "classifier.pt")
    return restored.eval()(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
