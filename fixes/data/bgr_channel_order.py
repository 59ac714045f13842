"""Classify small photos, red first, from a camera that sends blue, green, red."""

import numpy as np
import torch
from torch import nn


def decode(frame):
    pixels = np.frombuffer(frame, dtype=np.uint8).reshape(8, 8, 3)
    pixels = pixels[:, :, ::-1]
    return torch.from_numpy(pixels.transpose(2, 0, 1) / np.float32(255))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    lowest = np.array([0, 64, 128])
    frames = lowest + np.random.randint(0, 128, (batch_size, 8, 8, 3))
    return (torch.stack([decode(bytes(frame.flatten().tolist())) for frame in frames]),)


if __name__ == "__main__":
    Net()(*example_inputs())
