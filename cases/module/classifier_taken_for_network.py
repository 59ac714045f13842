"""Tell ten kinds of photos apart with a new last layer."""

import torch
from torch import nn
from torchvision.models import squeezenet1_1


def pretrained(classes):
    model = squeezenet1_1()
    model = model.classifier
    model[1] = nn.Conv2d(512, classes, kernel_size=1)
    return model


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = pretrained(classes=10)

    def forward(self, x):
        return torch.flatten(self.model(x), 1)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 32, 32),)


if __name__ == "__main__":
    Net()(*example_inputs())
