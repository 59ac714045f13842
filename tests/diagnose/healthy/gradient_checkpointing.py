"""Checkpointed residual blocks: activations are computed again in the backward pass."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class ResidualBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.reduce = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        return x + self.dropout(self.reduce(torch.relu(self.expand(self.norm(x)))))


class DeepNet(nn.Module):
    def __init__(self, features=8, width=16, depth=4, outputs=1, save_memory=True):
        super().__init__()
        self.save_memory = save_memory
        self.stem = nn.Linear(features, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            if self.save_memory and self.training:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return self.head(x)


def target(x):
    return (x[:, :1] * x[:, 1:2]) + x[:, 2:3].abs()


torch.manual_seed(0)
model = DeepNet()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.HuberLoss()
history = []
model.train()
for _ in range(10):
    x = torch.randn(32, 8)
    loss = loss_fn(model(x), target(x))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())

model.eval()
with torch.no_grad():
    x = torch.randn(32, 8)
    error = loss_fn(model(x), target(x)).item()
print(f"loss {history[0]:.3f} -> {history[-1]:.3f}, held out {error:.3f}")
