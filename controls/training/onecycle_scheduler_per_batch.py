"""Train a classifier with a one-cycle learning rate."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=8):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=8):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    batches = list(zip(images.split(2), labels.split(2), strict=True))
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, epochs=2, steps_per_epoch=len(batches)
    )
    for _ in range(2):
        for batch, classes in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(batch), classes)
            loss.backward()
            optimizer.step()
            scheduler.step()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
