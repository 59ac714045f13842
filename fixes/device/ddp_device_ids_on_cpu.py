"""Train a classifier of small colour images in several processes."""

import torch
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel


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
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    replica = DistributedDataParallel(net)
    loss = F.cross_entropy(replica(images), labels)
    loss.backward()
    distributed.destroy_process_group()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
