"""Train an autoencoder of small colour images."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
        self.decode = nn.Conv2d(8, 3, kernel_size=3, padding=1)

    def forward(self, x):
        code = torch.relu(self.encode(x))
        return self.decode(F.interpolate(code, scale_factor=2))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 15, 15),)


def run(net, images):
    loss = F.mse_loss(net(images), images)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs())
