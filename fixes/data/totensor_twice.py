"""Classify small photos, turned at random."""

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import Compose, RandomHorizontalFlip, ToTensor


class Photos:
    def __init__(self, photos, transform):
        self.photos = photos
        self.transform = transform

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.photos[index]))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    pixels = np.random.randint(0, 256, (batch_size, 8, 8, 3), dtype=np.uint8)
    photos = Photos(pixels, Compose([RandomHorizontalFlip(), ToTensor()]))
    return (torch.stack([photos[index] for index in range(batch_size)]),)


if __name__ == "__main__":
    Net()(*example_inputs())
