"""Count which kinds of small colour images a classifier confuses."""

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


TABLE = np.loadtxt(["7.5,0", "6.1,1", "9.9,2", "8.2,1"], delimiter=",")


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    labels = torch.from_numpy(np.resize(TABLE[:, 1], len(images))).long()
    net.eval()
    with torch.no_grad():
        predicted = net(images).argmax(dim=1)
    pairs = 3 * labels.to(images.device) + predicted
    return torch.bincount(pairs, minlength=9).reshape(3, 3)


if __name__ == "__main__":
    run(Net(), *example_inputs())
