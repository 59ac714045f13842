"""Mark the cells in small grey images with an encoder in bfloat16."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        encoder = nn.Sequential(nn.Conv2d(1, 8, kernel_size=3, padding=1), nn.ReLU())
        self.encoder = encoder.to(torch.bfloat16)
        self.head = nn.Conv2d(8, 2, kernel_size=1)

    def forward(self, x):
        x = self.encoder(x.to(torch.bfloat16))
        return self.head(x.float())


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 1, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
