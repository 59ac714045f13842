"""A network compiled with the eager backend, compared with the same network uncompiled."""

import torch
from torch import nn


class Mixer(nn.Module):
    """An MLP over positions, then over channels."""

    def __init__(self, tokens=4, channels=8):
        super().__init__()
        self.across = nn.Sequential(nn.Linear(tokens, 8), nn.GELU(), nn.Linear(8, tokens))
        self.within = nn.Sequential(nn.Linear(channels, 16), nn.GELU(), nn.Linear(16, channels))
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        x = x + self.across(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.within(self.norm2(x))
        return self.head(x.mean(dim=1))


def batch(size):
    labels = torch.randint(0, 2, (size,))
    x = torch.randn(size, 4, 8)
    x[:, :, 0] += labels[:, None].float()
    return x, labels


torch.manual_seed(0)
model = Mixer()
compiled = torch.compile(model, backend="eager")
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for _ in range(4):
    x, labels = batch(16)
    loss = nn.functional.cross_entropy(compiled(x), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    x, _ = batch(16)
    difference = (model(x) - compiled(x)).abs().max().item()
print(f"loss {loss.item():.3f}, difference {difference:.1e}")
