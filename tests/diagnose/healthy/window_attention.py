"""Local attention in windows: the rearrangements of einops by reshape and permute."""

import torch
from torch import nn


def to_windows(x, window):
    """(batch, height, width, channels) -> (batch * windows, window * window, channels)."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window, window, width // window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def from_windows(tokens, window, height, width):
    batch = len(tokens) // ((height // window) * (width // window))
    x = tokens.reshape(batch, height // window, width // window, window, window, -1)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, -1)


class WindowBlock(nn.Module):
    def __init__(self, size, window, shift):
        super().__init__()
        self.window, self.shift = window, shift
        self.norm = nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, 2, batch_first=True)
        self.bias = nn.Parameter(torch.zeros(window**2, window**2))
        self.mlp = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, size), nn.GELU())

    def forward(self, x):
        height, width = x.shape[1:3]
        shifted = torch.roll(self.norm(x), (-self.shift, -self.shift), dims=(1, 2))
        tokens = to_windows(shifted, self.window)
        out, _ = self.attention(tokens, tokens, tokens, attn_mask=self.bias, need_weights=False)
        out = from_windows(out, self.window, height, width)
        x = x + torch.roll(out, (self.shift, self.shift), dims=(1, 2))
        return x + self.mlp(x)


class TinySwin(nn.Module):
    def __init__(self, size=12, classes=3):
        super().__init__()
        self.embed = nn.Conv2d(1, size, 2, stride=2)
        self.blocks = nn.Sequential(WindowBlock(size, 2, 0), WindowBlock(size, 2, 1))
        self.head = nn.Linear(size, classes)

    def forward(self, images):
        x = self.embed(images).movedim(1, -1)
        return self.head(self.blocks(x).mean(dim=(1, 2)))


def batch(count):
    labels = torch.randint(0, 3, (count,))
    images = 0.1 * torch.randn(count, 1, 8, 8)
    for image, label in zip(images, labels.tolist()):
        image[:, :: label + 1] += 1
    return images, labels


torch.manual_seed(0)
model = TinySwin()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
model.train()
for _ in range(12):
    images, labels = batch(12)
    loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
example = torch.randn(2, 4, 4, 3)
assert torch.equal(from_windows(to_windows(example, 2), 2, 4, 4), example)
print(f"loss {loss.item():.3f}")
