"""A vector-quantized autoencoder: the gradient passes the nearest code straight through."""

import torch
import torch.nn.functional as F
from torch import nn


class Quantizer(nn.Module):
    def __init__(self, codes=16, size=8, commitment=0.25):
        super().__init__()
        self.codebook = nn.Embedding(codes, size)
        nn.init.uniform_(self.codebook.weight, -1 / codes, 1 / codes)
        self.commitment = commitment

    def forward(self, z):
        nearest = torch.cdist(z, self.codebook.weight).argmin(dim=1)
        quantized = self.codebook(nearest)
        codebook_loss = F.mse_loss(quantized, z.detach())
        commitment_loss = F.mse_loss(z, quantized.detach())
        straight_through = z + (quantized - z).detach()
        return straight_through, codebook_loss + self.commitment * commitment_loss


class VQVAE(nn.Module):
    def __init__(self, features=12):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(features, 16), nn.ReLU(), nn.Linear(16, 8))
        self.quantizer = Quantizer()
        self.decoder = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, features))

    def forward(self, x):
        quantized, loss = self.quantizer(self.encoder(x))
        return self.decoder(quantized), loss


def train(model, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        x = centers[torch.randint(0, 4, (30,))] + 0.1 * torch.randn(30, 12)
        reconstruction, quantization = model(x)
        loss = F.mse_loss(reconstruction, x) + quantization
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


torch.manual_seed(0)
centers = torch.randn(4, 12)
losses = list(train(VQVAE(), 12))
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
