"""Resume the training of a classifier whose learning rate falls in steps."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Sequential):
    def __init__(self):
        conv, fc = nn.Conv2d(3, 8, kernel_size=3), nn.Linear(8 * 6 * 6, 10)
        super().__init__(conv, nn.ReLU(), nn.Flatten(), fc)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def example_targets(batch_size=4):
    return (torch.arange(batch_size) % 10,)


def train(net, images, labels, epochs, checkpoint=None):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3)
    parts = {"net": net, "optimizer": optimizer, "scheduler": scheduler}
    saved = checkpoint or {"epoch": 0}
    if checkpoint:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    for _ in range(saved["epoch"], epochs):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
        scheduler.step()
    return {"epoch": epochs} | {key: part.state_dict() for key, part in parts.items()}


def run(net, images, labels):
    checkpoint = train(net, images, labels, 2)
    train(net, images, labels, 4, checkpoint)
    return F.cross_entropy(net(images), labels).detach()


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
