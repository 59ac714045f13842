"""Classify small grey images whose pixels are whole numbers from 0 to 255."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    images = torch.randint(0, 256, (batch_size, 1, 8, 8))
    return (images.float() / 255,)


if __name__ == "__main__":
    Net()(*example_inputs())
