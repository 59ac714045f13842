"""Score the quality of small photos, one number for each."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.score = nn.Linear(8 * 6 * 6, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.score(torch.flatten(x, 1)).squeeze()


def example_inputs(batch_size=4):
    return (torch.rand(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    print(Net()(*example_inputs()))
