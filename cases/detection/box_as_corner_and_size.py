"""Train a small detector of objects in colour images."""

import torch
from torch import nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out_channels = 32
        self.conv1 = nn.Conv2d(3, 16, kernel_size=4, stride=4)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=2, stride=2)

    def forward(self, x):
        return torch.relu(self.conv2(torch.relu(self.conv1(x))))


def example_inputs(batch_size=2):
    return (torch.rand(batch_size, 3, 32, 32),)


def annotate(count):
    boxes = torch.tensor([[14.0, 16.0, 12.0, 10.0]])
    labels = torch.ones(len(boxes), dtype=torch.int64)
    return [{"boxes": boxes, "labels": labels} for _ in range(count)]


def run(net, images):
    anchors = AnchorGenerator(sizes=((8,),), aspect_ratios=((1.0,),))
    detector = FCOS(net, 2, min_size=32, max_size=32, anchor_generator=anchors)
    targets = annotate(len(images))
    losses = detector(list(images), targets)
    loss = sum(losses.values())
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs())
