"""Train on one part of the images per process, in a new order for each epoch."""

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, Sampler


class Net(nn.Sequential):
    def __init__(self):
        conv, fc = nn.Conv2d(3, 8, kernel_size=3), nn.Linear(8 * 6 * 6, 10)
        super().__init__(conv, nn.ReLU(), nn.Flatten(), fc)


class Part(Sampler):
    def __init__(self, images, processes, rank):
        self.indices = DistributedSampler(images, processes, rank)
        self.epoch = 0

    def __len__(self):
        return len(self.indices)

    def __iter__(self):
        self.epoch += 1
        self.indices.set_epoch(self.epoch)
        return iter(self.indices)


def example_loader():
    images = torch.randn(32, 3, 8, 8)
    return DataLoader(images, batch_size=4, sampler=Part(images, processes=2, rank=0))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
