"""PointNet on clouds of points: shared MLPs, a maximum over points, random rotations."""

import torch
from torch import nn


def shared_mlp(*sizes):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Conv1d(inputs, outputs, 1, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class PointNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.local = shared_mlp(3, 16, 32)
        self.classify = nn.Sequential(
            nn.Linear(32, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(16, classes),
        )

    def forward(self, points):
        """Return logits for points of shape (batch, 3, points)."""
        features = self.local(points).amax(dim=2)
        return self.classify(features)


def clouds(count, points=24):
    """A sphere (0), a cube (1) or a plane (2)."""
    labels = torch.randint(0, 3, (count,))
    raw = torch.randn(count, 3, points)
    sphere = raw / raw.norm(dim=1, keepdim=True)
    cube = raw / raw.abs().amax(dim=1, keepdim=True)
    plane = raw * torch.tensor([1.0, 1.0, 0.0]).view(1, 3, 1)
    choices = torch.stack([sphere, cube, plane])
    return choices[labels, torch.arange(count)], labels


def rotate(points):
    angle = 2 * torch.pi * torch.rand(len(points))
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero, zero, zero, one]
    matrix = torch.stack(rows, dim=1).view(-1, 3, 3)
    return matrix @ points


torch.manual_seed(0)
model = PointNet(classes=3)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)
for _ in range(15):
    model.train()
    points, labels = clouds(24)
    loss = nn.functional.cross_entropy(model(rotate(points)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
model.eval()
with torch.no_grad():
    points, labels = clouds(60)
    accuracy = (model(points).argmax(dim=1) == labels).float().mean()
print(f"loss {loss.item():.3f}, accuracy {accuracy:.2f}")
