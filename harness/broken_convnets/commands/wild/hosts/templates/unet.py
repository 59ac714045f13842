"""A U-Net: an encoder and a decoder with skip connections between equal resolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class DoubleConv(nn.Module):
    """Two convolutions with BatchNorm; float[N, in, H, W] to float[N, out, H, W]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Create the layers."""
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both convolutions."""
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)))


class Up(nn.Module):
    """Upsample, concatenate the skip connection, and convolve."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Create the layers."""
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.conv = DoubleConv(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return float[N, out, 2H, 2W]."""
        x = self.up(x)
        x = torch.cat([skip, x], dim=1)
        return self.conv(x)


class UNet(nn.Module):
    """A U-Net; float[N, 3, H, W] to scores float[N, classes, H, W]."""

    def __init__(self, channels: int = 8, depth: int = 3, num_classes: int = 2) -> None:
        """Create the layers; H and W must be divisible by 2 ** depth."""
        super().__init__()
        widths = [channels * 2**level for level in range(depth + 1)]
        self.stem = DoubleConv(3, widths[0])
        self.pool = nn.MaxPool2d(2)
        self.downs = nn.ModuleList()
        self.ups = nn.ModuleList()
        for level in range(depth):
            self.downs.append(DoubleConv(widths[level], widths[level + 1]))
            self.ups.append(Up(widths[level + 1], widths[level]))
        self.head = nn.Conv2d(channels, num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of every pixel."""
        x = self.stem(x)
        skips = [x]
        for down in self.downs:
            x = down(self.pool(x))
            skips.append(x)
        skips.pop()
        for up in reversed(self.ups):
            x = up(x, skips.pop())
        return self.head(x)
