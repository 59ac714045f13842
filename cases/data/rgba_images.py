"""Classify small colour images from PNG files."""

import io

import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor


def png(mode):
    file = io.BytesIO()
    Image.effect_noise((8, 8), 64).convert(mode).save(file, "PNG")
    return file


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    pictures = [Image.open(png("RGBA")) for _ in range(batch_size)]
    return (torch.stack([to_tensor(picture) for picture in pictures]),)


if __name__ == "__main__":
    Net()(*example_inputs())
