"""Load the layers of a pretrained classifier into a network with another head."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, classes)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    state = Net(classes=10).state_dict()
    del state["fc.weight"], state["fc.bias"]
    keys = net.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["fc.weight", "fc.bias"]
    assert not keys.unexpected_keys
    return net(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
