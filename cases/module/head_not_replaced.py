"""Tell ten kinds of photos apart with SqueezeNet."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import squeezenet1_1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = squeezenet1_1()

    def forward(self, x):
        return self.model(x)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 32, 32),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    scores = net(images)
    F.cross_entropy(scores, labels).backward()
    return scores.detach()


if __name__ == "__main__":
    run(Net(), *example_inputs(16), *example_targets(16))
