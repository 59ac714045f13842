"""Several labels per image, with focal loss, per-class thresholds and the F1 score."""

import torch
from torch import nn
from torch.nn import functional as F

LABELS = 4


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, alpha=0.5):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits, targets):
        entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        correct = torch.exp(-entropy)
        weight = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        return (weight * (1 - correct) ** self.gamma * entropy).mean()


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduced):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, reduced, 1),
            nn.ReLU(),
            nn.Conv2d(reduced, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.gate(x)


def make_net():
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        SqueezeExcite(12, 4),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48, LABELS),
    )


def batch(count):
    targets = (torch.rand(count, LABELS) > 0.6).float()
    images = 0.1 * torch.randn(count, 1, 8, 8)
    images[:, 0, :4, :4] += targets[:, 0, None, None]
    images[:, 0, :4, 4:] += targets[:, 1, None, None]
    images[:, 0, 4:, :4] += targets[:, 2, None, None]
    images[:, 0, 4:, 4:] += targets[:, 3, None, None]
    return images, targets


def f1_score(predicted, targets):
    hits = (predicted * targets).sum(dim=0)
    return (2 * hits / (predicted.sum(dim=0) + targets.sum(dim=0)).clamp(min=1)).mean().item()


torch.manual_seed(0)
net, criterion = make_net(), FocalLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(15):
    net.train()
    images, targets = batch(24)
    loss = criterion(net(images), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    images, targets = batch(40)
    score = f1_score((torch.sigmoid(net(images)) > 0.5).float(), targets)
print(f"loss {loss.item():.4f}, F1 {score:.2f}")
