"""Load the weights of a classifier that were stored on another machine."""

import io

import torch
from torch import nn

torch.serialization.register_package(0, lambda storage: "cuda:7", lambda *found: None)


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


def stored(net):
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    return io.BytesIO(file.getvalue())


def run(net, images):
    state = torch.load(stored(net), map_location="cpu")
    loaded = Net()
    loaded.load_state_dict(state)
    loaded.eval()
    with torch.no_grad():
        return loaded(images)


if __name__ == "__main__":
    run(Net(), *example_inputs())
