"""Train a classifier of small colour images and compare its gradients."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3)
        self.conv2 = nn.Conv2d(8, 8, kernel_size=3)
        self.conv3 = nn.Conv2d(8, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 2 * 2, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        x = torch.relu(self.conv2(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def run(net, images, labels):
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    sizes = {name: p.grad.norm().item() for name, p in net.named_parameters()}
    print(max(sizes, key=sizes.get))
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
