"""Classify small colour images, some with lost pixels, here and in C++."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        lost = torch.isnan(x).nonzero()
        if len(lost) > 0:
            x = torch.nan_to_num(x)
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    torch.jit.trace(Net().eval(), example_inputs())
