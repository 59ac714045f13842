"""A sparse mixture of experts: each token goes to one expert, with a balancing loss."""

import torch
from torch import nn


class Expert(nn.Sequential):
    def __init__(self, size):
        super().__init__(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))


class SparseMixture(nn.Module):
    def __init__(self, size=8, experts=3):
        super().__init__()
        self.router = nn.Linear(size, experts)
        self.experts = nn.ModuleList(Expert(size) for _ in range(experts))

    def forward(self, x):
        probability = self.router(x).softmax(dim=-1)
        weight, chosen = probability.max(dim=-1)
        output = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero().squeeze(1)
            if len(rows):
                output = output.index_add(0, rows, weight[rows, None] * expert(x[rows]))
        return x + output, self.balance(probability, chosen)

    def balance(self, probability, chosen):
        """1 when all experts have the same share of the tokens, more otherwise."""
        count = len(self.experts)
        share = torch.bincount(chosen, minlength=count) / len(chosen)
        return count * (share * probability.mean(dim=0)).sum()


class Net(nn.Module):
    def __init__(self, features=5, size=8, classes=3):
        super().__init__()
        self.embed = nn.Linear(features, size)
        self.mixture = SparseMixture(size)
        self.norm = nn.LayerNorm(size)
        self.head = nn.Linear(size, classes)

    def forward(self, x):
        x, balance = self.mixture(torch.tanh(self.embed(x)))
        return self.head(self.norm(x)), balance


def batch(count):
    x = torch.randn(count, 5)
    return x, x[:, :3].argmax(dim=1)


torch.manual_seed(0)
net = Net()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
net.train()
for _ in range(15):
    x, y = batch(48)
    logits, balance = net(x)
    loss = nn.functional.cross_entropy(logits, y) + 0.01 * balance
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, balance {balance.item():.2f}")
