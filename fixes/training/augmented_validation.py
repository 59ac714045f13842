"""Split photos into a training set and a validation set."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, random_split
from torchvision.datasets import FakeData
from torchvision.transforms import v2

prepare = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
augment = v2.Compose([prepare, v2.RandomAffine(15, translate=(0.2, 0.2))])


class Net(nn.Sequential):
    def __init__(self):
        conv, fc = nn.Conv2d(3, 8, 3), nn.Linear(8 * 6 * 6, 10)
        super().__init__(conv, nn.ReLU(), nn.Flatten(), fc)


def example_split():
    photos = FakeData(40, (3, 8, 8), transform=augment)
    plain = FakeData(40, (3, 8, 8), transform=prepare)
    training, validation = random_split(photos, [30, 10])
    return training, Subset(plain, validation.indices)


def example_inputs(batch_size=4):
    validation = example_split()[1]
    return (torch.stack([validation[i % 10][0] for i in range(batch_size)]),)


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
