"""Rare classes: a weighted sampler in training, a confusion matrix in evaluation."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler


def imbalanced(counts=(60, 24, 8)):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    x = torch.randn(len(labels), 5)
    x[torch.arange(len(x)), labels] += 2
    return TensorDataset(x, labels)


def balanced_loader(data, batch_size):
    labels = data.tensors[1]
    weights = (1 / torch.bincount(labels).float())[labels]
    sampler = WeightedRandomSampler(weights, num_samples=len(data), replacement=True)
    return DataLoader(data, batch_size=batch_size, sampler=sampler)


def confusion_matrix(predicted, labels, classes):
    pairs = classes * labels + predicted
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)


class MLP(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(features, 16), nn.Linear(16, 16)])
        self.out = nn.Linear(16, classes)

    def forward(self, x):
        for layer in self.layers:
            x = nn.functional.elu(layer(x))
        return self.out(x)


torch.manual_seed(0)
train, test = imbalanced(), imbalanced((20, 8, 4))
loader = balanced_loader(train, batch_size=16)
model = MLP(5, 3)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
model.train()
for _ in range(4):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

model.eval()
with torch.no_grad():
    x, y = test.tensors
    matrix = confusion_matrix(model(x).argmax(dim=1), y, classes=3)
recall = matrix.diag() / matrix.sum(dim=1)
print(f"loss {loss.item():.3f}, recall {[round(r, 2) for r in recall.tolist()]}")
