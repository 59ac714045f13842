"""Linear regression by gradient descent: an affine model is what is wanted."""

import torch
from torch import nn

torch.manual_seed(0)

# Data from a known linear relation, with noise.
true_weight = torch.tensor([[2.0, -3.4, 0.5, 0.0, 1.2, -0.7, 4.0]])
true_bias = 4.2
features = torch.randn(120, 7)
noise = 0.01 * torch.randn(120, 1)
targets = features @ true_weight.t() + true_bias + noise


def batches(size):
    order = torch.randperm(len(features))
    for rows in order.split(size):
        yield features[rows], targets[rows]


model = nn.Linear(7, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(5):
    total = 0.0
    for x, y in batches(20):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    print(f"epoch {epoch + 1}: loss {total / len(features):.4f}")

with torch.no_grad():
    error = (model.weight - true_weight).abs().max().item()
    error = max(error, (model.bias - true_bias).abs().item())
print(f"largest error of a coefficient {error:.3f}")
