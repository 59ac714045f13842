"""Train a network that names an object and tells its angle."""

import torch
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.label = nn.Linear(8, 10)
        self.angle = nn.Linear(8, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x)).mean(dim=(2, 3))
        return self.label(x), self.angle(x)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return torch.arange(batch_size) % 10, torch.rand(batch_size, 1)


def run(net, images, labels, angles):
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    replica = DistributedDataParallel(net)
    for _ in range(2):
        net.zero_grad()
        scores, turns = replica(images)
        loss = F.cross_entropy(scores, labels)
        loss.backward()
    distributed.destroy_process_group()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
