"""Learn embeddings in which images of one object are near each other."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 16)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=8):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=8):
    return (torch.arange(batch_size) // 2,)


def run(net, images, labels):
    distances = torch.cdist(*[net(images)] * 2)
    same = labels[:, None] == labels
    farthest = (distances * same).amax(dim=1)
    nearest = distances.amin(dim=1)
    loss = F.relu(farthest - nearest + 1).mean()
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
