"""Contrastive learning with the NT-Xent loss, then a linear probe on frozen features."""

import torch
import torch.nn.functional as F
from torch import nn


class SimCLR(nn.Module):
    def __init__(self, width=16, projection=8):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.projector = nn.Sequential(
            nn.Linear(4 * width, width), nn.ReLU(), nn.Linear(width, projection)
        )

    def forward(self, x):
        return F.normalize(self.projector(self.backbone(x)), dim=1)


def nt_xent(first, second, temperature=0.5):
    """Each view must find the other view of its image among all views of the batch."""
    z = torch.cat([first, second])
    similarity = z @ z.t() / temperature
    itself = torch.eye(len(z), dtype=torch.bool)
    similarity = similarity.masked_fill(itself, float("-inf"))
    count = len(first)
    partner = torch.cat([torch.arange(count, 2 * count), torch.arange(count)])
    return F.cross_entropy(similarity, partner)


def augment(images):
    shifted = torch.roll(images, int(torch.randint(-1, 2, ())), dims=2)
    return shifted * (0.8 + 0.4 * torch.rand(len(images), 1, 1, 1)) + 0.05 * torch.randn_like(
        images
    )


def images_of(count):
    labels = torch.randint(0, 2, (count,))
    image = torch.zeros(count, 1, 8, 8)
    image[labels == 0, :, :, 3:5] = 1
    image[labels == 1, :, 3:5, :] = 1
    return image, labels


def pretrain(model, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        images, _ = images_of(16)
        loss = nt_xent(model(augment(images)), model(augment(images)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def probe(model, steps):
    model.eval()
    images, labels = images_of(40)
    with torch.no_grad():
        features = model.backbone(images)
    head = nn.Linear(features.size(1), 2)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    for _ in range(steps):
        loss = F.cross_entropy(head(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (head(features).argmax(1) == labels).float().mean().item()


torch.manual_seed(0)
model = SimCLR()
print(f"contrastive loss {pretrain(model, 6):.3f}, probe accuracy {probe(model, 20):.2f}")
