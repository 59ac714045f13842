"""Compress small colour images with a convolutional autoencoder."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [3, 8, 16, 32]
        pairs = list(zip(widths, widths[1:]))
        encoder, decoder = [], []
        for few, many in pairs:
            encoder.append(nn.Conv2d(few, many, 3, stride=2, padding=1))
            encoder.append(nn.ReLU())
        for few, many in reversed(pairs):
            decoder.append(nn.ConvTranspose2d(many, few, 2, stride=2))
            decoder.append(nn.ReLU() if few > 3 else nn.Sigmoid())
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder)

    def forward(self, x):
        return self.decoder(self.encoder(x))


def example_inputs(batch_size=4):
    return (torch.rand(batch_size, 3, 16, 16),)


if __name__ == "__main__":
    Net()(*example_inputs())
