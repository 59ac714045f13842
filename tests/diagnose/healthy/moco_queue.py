"""Momentum contrast: keys of earlier batches wait in a queue as negatives."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class MoCo(nn.Module):
    def __init__(self, encoder, size, queue=32, momentum=0.95, temperature=0.2):
        super().__init__()
        self.query_encoder = encoder
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.momentum, self.temperature = momentum, temperature
        self.register_buffer("queue", F.normalize(torch.randn(queue, size), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update_key_encoder(self):
        for q, k in zip(self.query_encoder.parameters(), self.key_encoder.parameters()):
            k.mul_(self.momentum).add_(q, alpha=1 - self.momentum)

    @torch.no_grad()
    def enqueue(self, keys):
        rows = (self.place + torch.arange(len(keys))) % len(self.queue)
        self.queue[rows] = keys
        self.place.copy_((self.place + len(keys)) % len(self.queue))

    def forward(self, query_view, key_view):
        queries = F.normalize(self.query_encoder(query_view), dim=1)
        with torch.no_grad():
            self.update_key_encoder()
            keys = F.normalize(self.key_encoder(key_view), dim=1)
        positive = (queries * keys).sum(dim=1, keepdim=True)
        negative = queries @ self.queue.clone().t()
        logits = torch.cat([positive, negative], dim=1) / self.temperature
        self.enqueue(keys)
        return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


def views(count):
    shapes = (torch.rand(count, 1, 6, 6) > 0.5).float()
    return shapes + 0.1 * torch.randn_like(shapes), shapes.flip(-1)


torch.manual_seed(0)
encoder = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 8)
)
model = MoCo(encoder, size=8)
optimizer = torch.optim.SGD(model.query_encoder.parameters(), lr=0.05, momentum=0.9)
model.train()
for _ in range(8):
    loss = model(*views(8))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, place in the queue {model.place.item()}")
