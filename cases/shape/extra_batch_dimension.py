"""Classify small colour images, read one by one and stacked."""

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


def read_image():
    image = torch.rand(3, 8, 8)
    return image.unsqueeze(0)


def example_inputs(batch_size=4):
    return (torch.stack([read_image() for _ in range(batch_size)]),)


if __name__ == "__main__":
    Net()(*example_inputs())
