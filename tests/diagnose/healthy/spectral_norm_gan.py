"""A GAN with hinge loss: spectral normalization in the critic, weight normalization elsewhere."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm


def make_generator(latent=4):
    return nn.Sequential(
        weight_norm(nn.Linear(latent, 24)), nn.ReLU(), weight_norm(nn.Linear(24, 2))
    )


def make_critic():
    return nn.Sequential(
        spectral_norm(nn.Linear(2, 24)), nn.LeakyReLU(0.2), spectral_norm(nn.Linear(24, 1))
    )


def real_points(count):
    """A mixture of four clusters."""
    centers = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    return centers[torch.randint(0, 4, (count,))] + 0.1 * torch.randn(count, 2)


class HingeGAN:
    def __init__(self, latent=4):
        self.latent = latent
        self.generator, self.critic = make_generator(latent), make_critic()
        self.optimizers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 2e-3, betas=(0.0, 0.9)),
            "critic": torch.optim.Adam(self.critic.parameters(), 4e-3, betas=(0.0, 0.9)),
        }

    def noise(self, count):
        return torch.randn(count, self.latent)

    def update(self, name, loss):
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()
        return loss.item()

    def critic_step(self, real):
        with torch.no_grad():
            fake = self.generator(self.noise(len(real)))
        loss = torch.relu(1 - self.critic(real)).mean() + torch.relu(1 + self.critic(fake)).mean()
        return self.update("critic", loss)

    def generator_step(self, count):
        self.critic.requires_grad_(False)
        value = self.update("generator", -self.critic(self.generator(self.noise(count))).mean())
        self.critic.requires_grad_(True)
        return value


torch.manual_seed(0)
gan = HingeGAN()
for _ in range(8):
    critic_loss = gan.critic_step(real_points(32))
    generator_loss = gan.generator_step(32)
print(f"critic {critic_loss:.3f}, generator {generator_loss:.3f}")
