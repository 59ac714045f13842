"""Segment road signs, with random flips as augmentation."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

flip = v2.RandomHorizontalFlip()


class Net(nn.Sequential):
    def __init__(self):
        conv, classify = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 2, 1)
        super().__init__(conv, nn.ReLU(), classify)


class Signs(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        mask = torch.zeros(16, 16, dtype=torch.int64)
        mask[3:12, index : index + 5] = 1
        image = tv_tensors.Image(0.2 * torch.rand(3, 16, 16) + 0.7 * mask)
        mask = tv_tensors.Mask(mask)
        return flip(image, mask)


def example_pairs():
    return Signs()


def example_inputs(batch_size=4):
    return (torch.stack([Signs()[index % 8][0] for index in range(batch_size)]),)


def fit(net):
    for images, masks in DataLoader(Signs(), 4, shuffle=True):
        F.cross_entropy(net(images), masks).backward()


if __name__ == "__main__":
    fit(Net())
