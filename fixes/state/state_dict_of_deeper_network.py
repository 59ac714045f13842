"""Save a classifier of small colour images and load it elsewhere."""

import io

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, kernel_size=3)
        layers = [nn.Conv2d(8, 8, 3, padding=1) for _ in range(depth)]
        self.layers = nn.ModuleList(layers)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


def run(net, images):
    file = io.BytesIO()
    torch.save({"depth": 3, "state": Net(depth=3).state_dict()}, file)
    file.seek(0)
    checkpoint = torch.load(file)
    fresh = Net(depth=checkpoint["depth"])
    fresh.load_state_dict(checkpoint["state"])
    fresh.eval()
    with torch.no_grad():
        return fresh(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
