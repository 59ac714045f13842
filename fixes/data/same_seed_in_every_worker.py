"""Train on images with random noise, loaded by two workers."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))


class Photos(Dataset):
    def __init__(self):
        self.images = torch.rand(16, 3, 8, 8)
        self.rng = np.random.default_rng()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        noise = self.rng.normal(0, 0.1, (3, 8, 8))
        return self.images[index] + torch.from_numpy(noise).float()


def reseed(worker):
    photos = torch.utils.data.get_worker_info().dataset
    photos.rng = np.random.default_rng(torch.initial_seed())


def example_loader(batch_size=4):
    return DataLoader(Photos(), batch_size, True, num_workers=2, worker_init_fn=reseed)


def example_inputs(batch_size=4):
    return (torch.stack([Photos()[index % 16] for index in range(batch_size)]),)


def features(net):
    return torch.cat([net(photos) for photos in example_loader()])


if __name__ == "__main__":
    features(Net())
