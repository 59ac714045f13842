"""A DCGAN at the smallest size: transposed convolutions, label smoothing, fixed noise."""

import torch
from torch import nn

LATENT = 8


def initialize(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(LATENT, 16, 4, 1, 0, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(True),
            nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(True),
            nn.ConvTranspose2d(8, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, 8, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(8, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(16, 1, 4),
        )

    def forward(self, x):
        return self.main(x).flatten()


def disks(count):
    grid = torch.linspace(-1, 1, 16)
    radius = 0.3 + 0.5 * torch.rand(count, 1, 1)
    inside = grid.view(1, 1, 16) ** 2 + grid.view(1, 16, 1) ** 2 < radius**2
    return inside.float().unsqueeze(1) * 2 - 1


torch.manual_seed(0)
netG, netD = Generator().apply(initialize), Discriminator().apply(initialize)
criterion = nn.BCEWithLogitsLoss()
optimG = torch.optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
optimD = torch.optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
fixed_noise = torch.randn(4, LATENT, 1, 1)

for step in range(4):
    real = disks(8)
    netD.zero_grad()
    output = netD(real)
    lossD_real = criterion(output, torch.full_like(output, 0.9))
    lossD_real.backward()
    fake = netG(torch.randn(8, LATENT, 1, 1))
    output = netD(fake.detach())
    lossD_fake = criterion(output, torch.zeros_like(output))
    lossD_fake.backward()
    optimD.step()

    netG.zero_grad()
    output = netD(fake)
    lossG = criterion(output, torch.ones_like(output))
    lossG.backward()
    optimG.step()
    print(f"{step}: D {(lossD_real + lossD_fake).item():.3f} G {lossG.item():.3f}")

netG.eval()
with torch.no_grad():
    print(netG(fixed_noise).shape)
