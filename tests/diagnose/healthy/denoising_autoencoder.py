"""A convolutional denoising autoencoder; PSNR on images that it has not seen."""

import math

import torch
from torch import nn


class Autoencoder(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


def clean_images(count, side=12):
    """Squares of random place and brightness."""
    images = torch.zeros(count, 1, side, side)
    for image in images:
        top, left = torch.randint(0, side - 5, (2,)).tolist()
        image[:, top : top + 5, left : left + 5] = 0.4 + 0.6 * torch.rand(())
    return images


def corrupt(images, sigma=0.2):
    return images + sigma * torch.randn_like(images)


def psnr(found, wanted):
    return -10 * math.log10(nn.functional.mse_loss(found, wanted).item())


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(15):
        model.train()
        clean = clean_images(16)
        loss = nn.functional.mse_loss(model(corrupt(clean)), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    model.eval()
    clean = clean_images(16)
    with torch.no_grad():
        restored = model(corrupt(clean)).clamp(0, 1)
    print(f"loss {loss.item():.4f}, PSNR {psnr(restored, clean):.1f} dB")
