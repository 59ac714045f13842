"""Classify small photos that a loader prepares."""

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as tv


class Photos(Dataset):
    def __init__(self, count):
        noise = [Image.effect_noise((8, 8), 64) for _ in range(count)]
        self.photos = [photo.convert("RGB") for photo in noise]
        self.transform = lambda photo: tv.pil_to_tensor(photo) / 255

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, index):
        return self.transform(self.photos[index])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (next(iter(DataLoader(Photos(batch_size), batch_size))),)


if __name__ == "__main__":
    Net()(*example_inputs())
