"""Classify small colour images by pooled features, here and on a phone."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 3 * 3, 10)
        self.register_buffer("side", torch.tensor(3))

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = F.adaptive_avg_pool2d(x, self.side.item())
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
