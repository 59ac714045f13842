"""Bootstrap your own latent: a target encoder follows the online encoder as a moving average."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


def encoder():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 8),
    )


def augment(x):
    """Two views of each image: noise and brightness; a mirror image."""
    brightness = 0.8 + 0.4 * torch.rand(len(x), 1, 1, 1)
    return brightness * x + 0.05 * torch.randn_like(x), x.flip(-1)


class BYOL(nn.Module):
    def __init__(self, momentum=0.99):
        super().__init__()
        self.online = encoder()
        self.predictor = nn.Sequential(
            nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8)
        )
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.momentum = momentum

    def forward(self, first, second):
        with torch.no_grad():
            wanted_first, wanted_second = self.target(first), self.target(second)
        loss = 2 - 2 * F.cosine_similarity(self.predictor(self.online(first)), wanted_second)
        loss = loss + 2 - 2 * F.cosine_similarity(self.predictor(self.online(second)), wanted_first)
        return loss.mean()

    @torch.no_grad()
    def update_target(self):
        for ours, theirs in zip(self.online.parameters(), self.target.parameters()):
            theirs.lerp_(ours, 1 - self.momentum)


torch.manual_seed(0)
model = BYOL()
trainable = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(trainable, lr=0.05, momentum=0.9, weight_decay=1e-4)
for _ in range(6):
    images = torch.rand(12, 3, 10, 10)
    loss = model(*augment(images))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.update_target()
print(f"loss {loss.item():.3f}")
