"""Classify small colour images with a compiled network."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        if x.abs().amax() > 1:
            x = x / 255
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randint(256, (batch_size, 3, 8, 8)).float(),)


@torch.no_grad()
def run(net, images):
    compiled = torch.compile(net.eval(), fullgraph=True, backend="eager")
    return compiled(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
