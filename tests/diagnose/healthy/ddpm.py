"""A denoising diffusion model on points in the plane, with a moving average of the weights."""

import copy

import torch
from torch import nn

STEPS = 20


class Denoiser(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.time = nn.Embedding(STEPS, hidden)
        self.point = nn.Linear(2, hidden)
        self.net = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.noise = nn.Linear(hidden, 2)

    def forward(self, x, t):
        return self.noise(self.net(self.point(x) + self.time(t)))


class Diffusion:
    def __init__(self):
        self.betas = torch.linspace(1e-4, 0.3, STEPS)
        self.alphas = 1 - self.betas
        self.cumulative = torch.cumprod(self.alphas, dim=0)

    def corrupt(self, x, t, noise):
        kept = self.cumulative[t].unsqueeze(1)
        return kept.sqrt() * x + (1 - kept).sqrt() * noise

    def loss(self, model, x):
        t = torch.randint(0, STEPS, (len(x),))
        noise = torch.randn_like(x)
        return nn.functional.mse_loss(model(self.corrupt(x, t, noise), t), noise)

    @torch.no_grad()
    def sample(self, model, count):
        model.eval()
        x = torch.randn(count, 2)
        for t in reversed(range(STEPS)):
            noise = model(x, torch.full((count,), t))
            x = x - self.betas[t] / (1 - self.cumulative[t]).sqrt() * noise
            x = x / self.alphas[t].sqrt()
            if t > 0:
                x = x + self.betas[t].sqrt() * torch.randn_like(x)
        return x


@torch.no_grad()
def follow(average, model, decay=0.9):
    for slow, fast in zip(average.parameters(), model.parameters()):
        slow.mul_(decay).add_(fast, alpha=1 - decay)


torch.manual_seed(0)
model, diffusion = Denoiser(), Diffusion()
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
model.train()
for _ in range(25):
    angle = 2 * torch.pi * torch.rand(64)
    ring = torch.stack([angle.cos(), angle.sin()], dim=1)
    loss = diffusion.loss(model, ring)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    follow(average, model)
print(f"loss {loss.item():.3f}, samples {tuple(diffusion.sample(average, 5).shape)}")
