"""A variational autoencoder: reparameterization, a warm-up of the KL term, and samples."""

import torch
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, pixels=64, hidden=32, latent=4):
        super().__init__()
        self.latent = latent
        self.encode = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU())
        self.mean = nn.Linear(hidden, latent)
        self.log_var = nn.Linear(hidden, latent)
        self.decode = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def reparameterize(self, mean, log_var):
        if not self.training:
            return mean
        return mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)

    def forward(self, x):
        hidden = self.encode(x.flatten(1))
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        return self.decode(self.reparameterize(mean, log_var)), mean, log_var

    @torch.no_grad()
    def sample(self, count):
        z = torch.randn(count, self.latent, device=self.mean.weight.device)
        return torch.sigmoid(self.decode(z)).view(count, 1, 8, 8)


def elbo_loss(logits, x, mean, log_var, beta):
    reconstruction = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mean.square() - log_var.exp())
    return (reconstruction + beta * kl) / len(x)


def bars(count):
    images = torch.zeros(count, 1, 8, 8)
    images[torch.arange(count), :, torch.randint(0, 8, (count,))] = 1
    return images


def train(model, optimizer, epochs):
    for epoch in range(epochs):
        model.train()
        beta = min(1.0, (epoch + 1) / epochs)
        total = 0.0
        for x in bars(96).split(24):
            loss = elbo_loss(*unpack(model, x), beta)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: {total / 4:.2f}")


def unpack(model, x):
    logits, mean, log_var = model(x)
    return logits, x, mean, log_var


@torch.no_grad()
def test(model):
    model.eval()
    x = bars(16)
    return elbo_loss(*unpack(model, x), beta=1.0).item()


def main():
    torch.manual_seed(0)
    model = VAE()
    train(model, torch.optim.Adam(model.parameters(), lr=3e-3), epochs=3)
    print(f"test {test(model):.2f}, samples {tuple(model.sample(3).shape)}")


if __name__ == "__main__":
    main()
