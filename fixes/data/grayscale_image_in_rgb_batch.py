"""Classify small colour images from PNG files."""

import io

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor


def png(mode):
    file = io.BytesIO()
    Image.effect_noise((8, 8), 64).convert(mode).save(file, "PNG")
    return file


class Photos(Dataset):
    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        picture = Image.open(self.files[index]).convert("RGB")
        return to_tensor(picture)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
        )


def example_inputs(batch_size=4):
    pictures = [png("RGB" if index else "L") for index in range(batch_size)]
    return (next(iter(DataLoader(Photos(pictures), batch_size=batch_size))),)


if __name__ == "__main__":
    Net()(*example_inputs())
