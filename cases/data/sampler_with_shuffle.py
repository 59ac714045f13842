"""Train on images of rare and frequent classes, drawn equally often."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler


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
    return (torch.arange(batch_size) % 2,)


def run(net, images, labels):
    weights = 1 / torch.bincount(labels).clamp(min=1)
    sampler = WeightedRandomSampler(weights[labels].tolist(), len(labels))
    data = TensorDataset(images, labels)
    loader = DataLoader(data, batch_size=2, shuffle=True, sampler=sampler)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for batch, wanted in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(batch), wanted)
        loss.backward()
        optimizer.step()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
