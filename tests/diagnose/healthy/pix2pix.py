"""Image to image translation: a conditional discriminator on patches, and an L1 term."""

import torch
from torch import nn


class Generator(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2))
        self.middle = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1), nn.InstanceNorm2d(width), nn.ReLU()
        )
        self.up = nn.Sequential(nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh())

    def forward(self, edges):
        down = self.down(edges)
        return self.up(torch.cat([down, self.middle(down)], dim=1))


class PatchDiscriminator(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(4, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 3, 1, 1)
        )

    def forward(self, edges, photo):
        return self.net(torch.cat([edges, photo], dim=1))


def pairs(count):
    """An outline, and the same square filled with a color."""
    edges = -torch.ones(count, 1, 16, 16)
    photos = -torch.ones(count, 3, 16, 16)
    for edge, photo in zip(edges, photos):
        top, left = torch.randint(1, 8, (2,)).tolist()
        edge[:, top : top + 6, left : left + 6] = 1
        edge[:, top + 1 : top + 5, left + 1 : left + 5] = -1
        photo[:, top : top + 6, left : left + 6] = torch.rand(3, 1, 1) * 2 - 1
    return edges, photos


class Pix2Pix:
    def __init__(self, l1_weight=100.0):
        self.generator, self.discriminator = Generator(), PatchDiscriminator()
        self.l1_weight = l1_weight
        self.gan, self.l1 = nn.BCEWithLogitsLoss(), nn.L1Loss()
        self.optim_g = torch.optim.Adam(self.generator.parameters(), 2e-3, betas=(0.5, 0.999))
        self.optim_d = torch.optim.Adam(self.discriminator.parameters(), 2e-4, betas=(0.5, 0.999))

    def adversarial(self, scores, real):
        return self.gan(scores, torch.full_like(scores, float(real)))

    def step(self, edges, photos):
        fake = self.generator(edges)
        self.optim_d.zero_grad()
        on_real = self.adversarial(self.discriminator(edges, photos), True)
        on_fake = self.adversarial(self.discriminator(edges, fake.detach()), False)
        ((on_real + on_fake) / 2).backward()
        self.optim_d.step()

        self.optim_g.zero_grad()
        loss = self.adversarial(self.discriminator(edges, fake), True)
        loss = loss + self.l1_weight * self.l1(fake, photos)
        loss.backward()
        self.optim_g.step()
        return loss.item()


torch.manual_seed(0)
model = Pix2Pix()
losses = [model.step(*pairs(4)) for _ in range(6)]
print(f"loss {losses[0]:.1f} -> {losses[-1]:.1f}")
