"""Load a stored classifier of small colour images."""

import torch
from torch import nn


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


def run(net, images):
    state = net.state_dict()
    with torch.device("meta"):
        loaded = Net()
    loaded.to_empty(device=images.device)
    loaded.load_state_dict(state)
    loaded.eval()
    with torch.no_grad():
        return loaded(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
