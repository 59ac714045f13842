"""Save a classifier of small colour images with its epoch and load it."""

import io

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


def run(net, images):
    file = io.BytesIO()
    torch.save({"epoch": 3, "net": net.state_dict()}, file)
    file.seek(0)
    checkpoint = torch.load(file)
    fresh = Net()
    fresh.load_state_dict(checkpoint)
    fresh.eval()
    with torch.no_grad():
        return fresh(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
