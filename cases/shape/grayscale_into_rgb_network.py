"""Classify grey scans with a network for colour photographs."""

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def read_scan():
    pixels = np.random.randint(256, size=(8, 8), dtype=np.uint8)
    return Image.fromarray(pixels)


def example_inputs(batch_size=4):
    scans = [read_scan() for _ in range(batch_size)]
    return (torch.stack([to_tensor(scan) for scan in scans]),)


if __name__ == "__main__":
    Net()(*example_inputs())
