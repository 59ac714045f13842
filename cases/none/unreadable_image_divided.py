"""Classify small colour pictures in a folder."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn


def read(path):
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError:
        return None


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    with tempfile.TemporaryDirectory() as folder:
        for n in range(batch_size):
            picture = Image.effect_noise((8, 8), 64).convert("RGB")
            picture.save(Path(folder, f"{n}.png"))
        Path(folder, "readme.txt").write_text("eight by eight pixels")
        paths = sorted(Path(folder).iterdir())
        pictures = [read(path) / np.float32(255) for path in paths]
    return (torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2),)


if __name__ == "__main__":
    Net()(*example_inputs())
