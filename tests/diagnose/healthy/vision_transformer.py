"""A vision transformer: patches, a class token, pre-norm blocks, a warm-up by LambdaLR."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.project = nn.Linear(size, size)

    def forward(self, x):
        batch, tokens, size = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, size // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        out = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.project(out.transpose(1, 2).reshape(batch, tokens, size))


class DropPath(nn.Module):
    """Drop the residual branch of whole samples during training."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty(len(x), 1, 1).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)


class Block(nn.Module):
    def __init__(self, size, heads, drop):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, heads)
        self.mlp = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))
        self.drop = DropPath(drop)

    def forward(self, x):
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.mlp(self.norm2(x)))


class ViT(nn.Module):
    def __init__(self, side=12, patch=4, size=24, depth=2, heads=3, classes=4):
        super().__init__()
        self.patches = nn.Conv2d(3, size, patch, stride=patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, size))
        self.position = nn.Parameter(0.02 * torch.randn(1, (side // patch) ** 2 + 1, size))
        self.blocks = nn.ModuleList(Block(size, heads, 0.1 * i / depth) for i in range(depth))
        self.norm = nn.LayerNorm(size)
        self.head = nn.Linear(size, classes)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(x), -1, -1), tokens], dim=1) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


def quadrants(count):
    labels = torch.randint(0, 4, (count,))
    images = 0.1 * torch.rand(count, 3, 12, 12)
    for image, label in zip(images, labels.tolist()):
        row, column = divmod(label, 2)
        image[:, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] += 0.8
    return images, labels


if __name__ == "__main__":
    torch.manual_seed(0)
    model = ViT()
    decay = [p for p in model.parameters() if p.ndim > 1]
    no_decay = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": no_decay, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 4))
    model.train()
    for _ in range(10):
        images, labels = quadrants(16)
        loss = nn.functional.cross_entropy(model(images), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        images, labels = quadrants(32)
        print(f"accuracy {(model(images).argmax(1) == labels).float().mean():.2f}")
