"""A Wasserstein GAN with gradient penalty: two critic steps for each generator step."""

import torch
from torch import autograd, nn


class Generator(nn.Module):
    def __init__(self, latent):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())

    def forward(self, z):
        return self.net(z).unflatten(1, (1, 8, 8))


class Critic(nn.Module):
    """Without batch normalization, as the penalty is a property of single samples."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Linear(8 * 2 * 2, 1)

    def forward(self, x):
        return self.score(self.body(x).flatten(1))


def gradient_penalty(critic, real, fake):
    weight = torch.rand(len(real), 1, 1, 1)
    mixed = (weight * real + (1 - weight) * fake).requires_grad_()
    (grad,) = autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    return (grad.flatten(1).norm(dim=1) - 1).square().mean()


def set_requires_grad(module, flag):
    for parameter in module.parameters():
        parameter.requires_grad_(flag)


def real_images(count):
    return (torch.rand(count, 1, 1, 8) > 0.5).float().expand(count, 1, 8, 8) * 0.9


def main():
    torch.manual_seed(0)
    latent, size = 6, 8
    generator, critic = Generator(latent), Critic()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0.0, 0.9))
    optimizer_c = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.0, 0.9))
    for _ in range(5):
        for _ in range(2):
            real = real_images(size)
            fake = generator(torch.randn(size, latent)).detach()
            penalty = gradient_penalty(critic, real, fake)
            loss_c = critic(fake).mean() - critic(real).mean() + 10 * penalty
            optimizer_c.zero_grad()
            loss_c.backward()
            optimizer_c.step()
        set_requires_grad(critic, False)
        loss_g = -critic(generator(torch.randn(size, latent))).mean()
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
        set_requires_grad(critic, True)
    print(f"critic {loss_c.item():.3f}, generator {loss_g.item():.3f}")


if __name__ == "__main__":
    main()
