"""Low-rank adapters on frozen linear layers, merged into them at the end."""

import torch
from torch import nn


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable update of low rank, which starts at zero."""

    def __init__(self, base, rank=2, alpha=4.0):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.down.t() @ self.up.t())

    @torch.no_grad()
    def merged(self):
        layer = nn.Linear(self.base.in_features, self.base.out_features)
        layer.weight.copy_(self.base.weight + self.scale * self.up @ self.down)
        layer.bias.copy_(self.base.bias)
        return layer


def pretrained():
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3))


network = pretrained()
for position in (0, 2):
    network[position] = LoRALinear(network[position])
adapters = [p for p in network.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(adapters, lr=1e-2)
losses = []
for _ in range(10):
    x = torch.randn(24, 6)
    loss = nn.functional.cross_entropy(network(x), x[:, :3].argmax(1))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.detach())

plain = nn.Sequential(*(m.merged() if isinstance(m, LoRALinear) else m for m in network))
with torch.no_grad():
    x = torch.randn(5, 6)
    difference = (plain(x) - network(x)).abs().max()
print(
    f"{len(adapters)} adapters, loss {torch.stack(losses)[-1]:.3f}, merged within {difference:.0e}"
)
