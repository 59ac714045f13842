"""Segment road signs, with random flips as augmentation."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2

flip = v2.RandomHorizontalFlip()


class Net(nn.Sequential):
    def __init__(self):
        conv, classify = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 2, 1)
        super().__init__(conv, nn.ReLU(), classify)


def read_pair(index):
    mask = torch.zeros(16, 16, dtype=torch.int64)
    mask[3:12, index : index + 5] = 1
    image = tv_tensors.Image(0.2 * torch.rand(3, 16, 16) + 0.7 * mask)
    mask = tv_tensors.Mask(mask)
    return flip(image), flip(mask)


def example_pairs():
    return [read_pair(index) for index in range(8)]


def example_inputs(batch_size=4):
    return (torch.stack([read_pair(i % 8)[0] for i in range(batch_size)]),)


def example_targets(batch_size=4):
    return (torch.stack([read_pair(i % 8)[1] for i in range(batch_size)]),)


def run(net, images, masks):
    loss = F.cross_entropy(net(images), masks)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
