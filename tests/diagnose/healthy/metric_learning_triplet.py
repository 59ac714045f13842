"""Metric learning with a triplet loss and semi-hard negatives; retrieval at the end."""

import torch
import torch.nn.functional as F
from torch import nn


class Embedder(nn.Module):
    def __init__(self, features=8, size=4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(features, 24), nn.ReLU(), nn.Linear(24, size))

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


class BatchHardTriplet(nn.Module):
    """For each anchor: its farthest positive and its nearest negative."""

    def __init__(self, margin=0.3):
        super().__init__()
        self.margin = margin

    def forward(self, z, labels):
        distance = torch.cdist(z, z)
        same = labels[:, None] == labels[None, :]
        positive = distance.masked_fill(~same, float("-inf")).amax(dim=1)
        negative = distance.masked_fill(same, float("inf")).amin(dim=1)
        return F.softplus(positive - negative + self.margin).mean()


def balanced_batch(centers, per_class=4):
    labels = torch.arange(len(centers)).repeat_interleave(per_class)
    return centers[labels] + 0.6 * torch.randn(len(labels), centers.size(1)), labels


@torch.no_grad()
def recall_at_1(model, x, labels):
    model.eval()
    z = model(x)
    distance = torch.cdist(z, z)
    distance.fill_diagonal_(float("inf"))
    return (labels[distance.argmin(dim=1)] == labels).float().mean().item()


torch.manual_seed(0)
centers = torch.randn(5, 8)
model, criterion = Embedder(), BatchHardTriplet()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for _ in range(20):
    model.train()
    x, labels = balanced_batch(centers)
    loss = criterion(model(x), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, recall@1 {recall_at_1(model, *balanced_batch(centers)):.2f}")
