"""Deep image prior: an untrained network restores one image from a noisy copy."""

import torch
from torch import nn
from torch.nn import functional as F


class HourGlass(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(4, width, 3, stride=2, padding=1, padding_mode="reflect"),
            nn.GroupNorm(2, width),
            nn.LeakyReLU(0.2),
        )
        self.up = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.GroupNorm(2, width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, z):
        x = F.interpolate(self.down(z), scale_factor=2, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.up(x))


def picture(side=16):
    grid = torch.linspace(-1, 1, side)
    disk = (grid.view(-1, 1).square() + grid.view(1, -1).square()) < 0.5
    return (0.2 + 0.6 * disk).view(1, 1, side, side)


def restore(noisy, steps=30):
    network = HourGlass()
    code = 0.1 * torch.randn(1, 4, *noisy.shape[-2:])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    average = None
    for _ in range(steps):
        output = network(code + 0.02 * torch.randn_like(code))
        loss = F.mse_loss(output, noisy)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found = output.detach()
        average = found if average is None else average.lerp(found, 0.1)
    return average, loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    clean = picture()
    noisy = (clean + 0.15 * torch.randn_like(clean)).clamp(0, 1)
    restored, loss = restore(noisy)
    error = F.mse_loss(restored, clean).item()
    print(f"loss {loss:.4f}, error of the restored image {error:.4f}")
