"""Draw small colour images from random codes."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up1 = nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1)
        self.up2 = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1)
        self.up3 = nn.ConvTranspose2d(8, 3, 3, stride=1, padding=1)

    def forward(self, x):
        x = torch.relu(self.up1(x))
        x = torch.relu(self.up2(x))
        return torch.sigmoid(self.up3(x))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 16, 2, 2),)


if __name__ == "__main__":
    Net()(*example_inputs())
