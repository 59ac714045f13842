"""Classify small colour images, seen at several scales."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scales = [1, 2, 4, 8]
        self.conv = nn.Conv2d(3, 8, kernel_size=3, padding=1)
        self.fc = nn.Linear(8 * len(self.scales), 10)

    def forward(self, x):
        height, width = x.shape[-2:]
        features = []
        for scale in self.scales:
            size = (height // scale, width // scale)
            small = F.interpolate(x, size=size, mode="bilinear")
            small = torch.relu(self.conv(small))
            features.append(small.mean(dim=(2, 3)))
        return self.fc(torch.cat(features, dim=1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 12, 12),)


if __name__ == "__main__":
    Net()(*example_inputs())
