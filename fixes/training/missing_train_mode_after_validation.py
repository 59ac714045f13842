"""Train a classifier of small colour images and validate it after each epoch."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        return self.fc(torch.relu(self.norm(self.conv(x))).flatten(1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


@torch.no_grad()
def accuracy(net, images, labels):
    net.eval()
    return (net(images).argmax(dim=1) == labels).float().mean()


def run(net, images, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for epoch in range(3):
        net.train()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        print(epoch, accuracy(net, images, labels).item())
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
