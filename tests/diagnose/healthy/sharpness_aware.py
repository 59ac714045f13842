"""Sharpness-aware minimization: two backward passes for each step."""

import torch
from torch import nn


class SAM:
    """Wraps an optimizer: climb to the worst point nearby, take the gradient there, come back."""

    def __init__(self, optimizer, rho=0.05):
        self.optimizer = optimizer
        self.rho = rho

    def parameters(self):
        for group in self.optimizer.param_groups:
            yield from (p for p in group["params"] if p.grad is not None)

    @torch.no_grad()
    def climb(self):
        norm = torch.stack([p.grad.norm() for p in self.parameters()]).norm()
        self.moves = []
        for parameter in self.parameters():
            move = parameter.grad * (self.rho / (norm + 1e-12))
            parameter.add_(move)
            self.moves.append((parameter, move))
        self.optimizer.zero_grad()

    @torch.no_grad()
    def descend(self):
        for parameter, move in self.moves:
            parameter.sub_(move)
        self.optimizer.step()
        self.optimizer.zero_grad()


def data(count):
    x = torch.randn(count, 6)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).float()


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1), nn.Flatten(0))
criterion = nn.BCEWithLogitsLoss()
sam = SAM(torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9))
for _ in range(15):
    x, y = data(32)
    loss = criterion(model(x), y)
    loss.backward()
    sam.climb()
    criterion(model(x), y).backward()
    sam.descend()

model.eval()
with torch.no_grad():
    x, y = data(100)
    accuracy = ((model(x) > 0) == y.bool()).float().mean().item()
print(f"loss {loss.item():.3f}, accuracy {accuracy:.2f}")
