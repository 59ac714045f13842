"""Train a classifier with one cycle of the learning rate."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    epochs, batches = 4, list(zip(images.split(2), labels.split(2), strict=True))
    scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=epochs)
    for _ in range(epochs):
        for part, wanted in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(part), wanted)
            loss.backward()
            optimizer.step()
            scheduler.step()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
