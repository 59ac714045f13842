"""Classify small photos as the second epoch brings them."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Photos(Dataset):
    def __init__(self, photos):
        self.photos = photos

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, index):
        image = self.photos[index]
        image -= 0.5
        image /= 0.5
        return image


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
        )


def example_inputs(batch_size=4):
    photos = Photos(torch.rand(batch_size, 3, 8, 8))
    loader = DataLoader(photos, batch_size=batch_size)
    for _ in range(2):
        images = next(iter(loader))
    return (images,)


if __name__ == "__main__":
    Net()(*example_inputs())
