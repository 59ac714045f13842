"""Show where the maps of a classifier of small colour images are active."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3)
        self.fc = nn.Linear(16 * 4 * 4, 10)
        self.maps = None
        self.conv2.register_forward_hook(self.keep)

    def keep(self, layer, inputs, output):
        self.maps = output

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2.forward(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    net.eval()
    with torch.no_grad():
        net(images)
    return net.maps.mean(dim=1)


if __name__ == "__main__":
    run(Net(), *example_inputs())
