"""Classify an image with the transforms of the training."""

import torch
from torch import nn
from torchvision.transforms import v2

training = v2.Compose([v2.RandomCrop(8, padding=2), v2.Normalize([0.5] * 3, [0.5] * 3)])
evaluation = v2.Compose([v2.CenterCrop(8), v2.Normalize([0.5] * 3, [0.5] * 3)])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.rand(batch_size, 3, 8, 8),)


@torch.no_grad()
def run(net, images):
    batch = torch.stack([training(image) for image in images])
    return net.eval()(batch)


if __name__ == "__main__":
    run(Net(), *example_inputs())
