"""Show which part of an image a classifier looks at."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        features = torch.relu(self.conv(x))
        return self.fc(features.mean(dim=(2, 3)))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


@torch.no_grad()
def run(net, images):
    stored = {}

    def keep(module, inputs, output):
        stored["features"] = output
        output.register_hook(lambda grad: stored.update(grad=grad))

    net.eval()
    with net.conv.register_forward_hook(keep):
        scores = net(images)
    scores.max(dim=1).values.sum().backward()
    weights = stored["grad"].mean(dim=(2, 3), keepdim=True)
    return torch.relu((weights * stored["features"]).sum(dim=1)).detach()


if __name__ == "__main__":
    run(Net(), *example_inputs())
