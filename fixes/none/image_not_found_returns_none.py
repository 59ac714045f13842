"""Classify small colour pictures, read by their path."""

import numpy as np
import torch
from torch import nn

STORED = {f"pictures/{n}.png": np.random.rand(8, 8, 3) for n in range(8)}


def read(path):
    return STORED.get(path)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    names = [f"{n % 8}.png" for n in range(batch_size)]
    pictures = [read("pictures/" + name)[:, :, ::-1] for name in names]
    images = np.stack(pictures).astype(np.float32)
    return (torch.from_numpy(images).permute(0, 3, 1, 2),)


if __name__ == "__main__":
    Net()(*example_inputs())
