"""A convolutional autoencoder with a vector as its code."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    """Images float[N, 3, H, W] to codes float[N, code]."""

    def __init__(self, channels: int, pixels: int, code: int) -> None:
        """Create the layers; `pixels` must be divisible by 4."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, kernel_size=3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(2 * channels)
        self.fc = nn.Linear(2 * channels * (pixels // 4) ** 2, code)

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes."""
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.norm(self.conv2(x)))
        x = torch.flatten(x, 1)
        return self.fc(x)


class Decoder(nn.Module):
    """Codes float[N, code] to images float[N, 3, H, W]."""

    def __init__(self, channels: int, pixels: int, code: int) -> None:
        """Create the layers."""
        super().__init__()
        self.shape = (2 * channels, pixels // 4, pixels // 4)
        self.fc = nn.Linear(code, 2 * channels * (pixels // 4) ** 2)
        self.up1 = nn.ConvTranspose2d(2 * channels, channels, kernel_size=4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.up2 = nn.ConvTranspose2d(channels, channels, kernel_size=4, stride=2, padding=1)
        self.out = nn.Conv2d(channels, 3, kernel_size=3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Return images between 0 and 1."""
        z = torch.relu(self.fc(z))
        x = z.view(-1, *self.shape)
        x = torch.relu(self.norm(self.up1(x)))
        x = torch.relu(self.up2(x))
        return torch.sigmoid(self.out(x))


class Autoencoder(nn.Module):
    """Images float[N, 3, H, W] to their reconstructions."""

    def __init__(self, channels: int = 8, pixels: int = 16, code: int = 16) -> None:
        """Create the encoder and the decoder."""
        super().__init__()
        self.encoder = Encoder(channels, pixels, code)
        self.decoder = Decoder(channels, pixels, code)

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstructions."""
        x = self.encoder(x)
        return self.decoder(x)
