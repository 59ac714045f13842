"""Make data loaders for training and validation from one set of photos."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, random_split
from torchvision.datasets import FakeData
from torchvision.transforms.functional import to_tensor


class Net(nn.Sequential):
    def __init__(self):
        conv, fc = nn.Conv2d(3, 8, 3), nn.Linear(8 * 6 * 6, 10)
        super().__init__(conv, nn.ReLU(), nn.Flatten(), fc)


def photos(part):
    everything = FakeData(60, (3, 8, 8), transform=to_tensor)
    return random_split(everything, [40, 20])[part]


def example_split():
    return photos(0), photos(1)


def example_inputs(batch_size=4):
    validation = photos(1)
    return (torch.stack([validation[i % 20][0] for i in range(batch_size)]),)


@torch.no_grad()
def run(net, images):
    return net.eval()(images)


def main(net):
    training, validation = example_split()
    for images, labels in DataLoader(training, 8, shuffle=True):
        F.cross_entropy(net(images), labels).backward()
    return [run(net, images) for images, _ in DataLoader(validation, 8)]


if __name__ == "__main__":
    main(Net())
