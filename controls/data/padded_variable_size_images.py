"""Classify photos of many sizes."""

import torch
from torch import nn
from torch.nn.functional import pad
from torch.utils.data import DataLoader


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).amax(dim=(2, 3)))


def padded(photos):
    width = max(photo.shape[2] for photo in photos)
    return torch.stack([pad(photo, (0, width - photo.shape[2])) for photo in photos])


def example_inputs(batch_size=4):
    photos = [torch.rand(3, 8, 8 + index) for index in range(batch_size)]
    return (next(iter(DataLoader(photos, batch_size, collate_fn=padded))),)


if __name__ == "__main__":
    Net()(*example_inputs())
