"""Mixup: images and soft labels of two samples are blended in the collate function."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, default_collate

CLASSES = 3


def mixup_collate(samples):
    images, labels = default_collate(samples)
    weight = torch.distributions.Beta(0.4, 0.4).sample()
    order = torch.randperm(len(images))
    targets = F.one_hot(labels, CLASSES).float()
    return weight * images + (1 - weight) * images[order], weight * targets + (
        1 - weight
    ) * targets[order]


def blobs(count):
    labels = torch.randint(0, CLASSES, (count,))
    images = 0.2 * torch.rand(count, 1, 9, 9)
    for image, label in zip(images, labels.tolist()):
        image[0, 3 * label : 3 * label + 3] += 0.7
    return TensorDataset(images, labels)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d((3, 1)),
            nn.Flatten(),
            nn.Linear(24, CLASSES),
        )


torch.manual_seed(0)
train = DataLoader(blobs(60), batch_size=12, shuffle=True, collate_fn=mixup_collate)
valid = DataLoader(blobs(30), batch_size=15)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for _ in range(4):
    net.train()
    for images, targets in train:
        loss = F.cross_entropy(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

net.eval()
with torch.no_grad():
    right = sum((net(x).argmax(1) == y).sum().item() for x, y in valid)
print(f"loss {loss.item():.3f}, accuracy {right / len(valid.dataset):.2f}")
