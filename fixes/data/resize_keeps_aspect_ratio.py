"""Classify photos of many sizes."""

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Resize, ToTensor


class Photos(Dataset):
    def __init__(self, sizes, transform):
        self.photos = [Image.effect_noise(size, 64).convert("RGB") for size in sizes]
        self.transform = transform

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, index):
        return self.transform(self.photos[index])


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
        )


def example_inputs(batch_size=4):
    sizes = [(16, 12 + index) for index in range(batch_size)]
    photos = Photos(sizes, Compose([Resize((8, 8)), ToTensor()]))
    return (next(iter(DataLoader(photos, batch_size=batch_size))),)


if __name__ == "__main__":
    Net()(*example_inputs())
