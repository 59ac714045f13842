"""Classify small photos that lie in a folder."""

import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import pil_to_tensor


class Photos(Dataset):
    def __init__(self, folder):
        self.paths = sorted(Path(folder).glob("*.png"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return pil_to_tensor(Image.open(self.paths[index])) / 255


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
            photo = Image.effect_noise((8, 8), 64).convert("RGB")
            photo.save(f"{folder}/{n}.jpg")
        loader = DataLoader(Photos(folder), batch_size, shuffle=True)
        return (next(iter(loader)),)


if __name__ == "__main__":
    Net()(*example_inputs())
