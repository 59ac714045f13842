"""Classify small colour images with channel attention."""

import torch
from torch import nn


class ChannelAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.score = nn.Linear(channels, channels)

    def forward(self, x):
        weights = torch.sigmoid(self.score(x.mean(dim=(2, 3))))
        x = x * weights[:, :, None, None]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.attend = ChannelAttention(8)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = self.attend(x)
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
