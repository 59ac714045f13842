"""A small network produces the weights of another one from a task embedding."""

import torch
from torch import nn
from torch.nn import functional as F


class HyperLinear(nn.Module):
    """A linear layer whose weight and bias are functions of a condition."""

    def __init__(self, inputs, outputs, condition):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.weight = nn.Linear(condition, outputs * inputs)
        self.bias = nn.Linear(condition, outputs)
        nn.init.normal_(self.weight.weight, std=0.3 / inputs**0.5)

    def forward(self, x, condition):
        weight = self.weight(condition).view(-1, self.outputs, self.inputs)
        return torch.baddbmm(self.bias(condition).unsqueeze(1), x, weight.transpose(1, 2))


class HyperNet(nn.Module):
    def __init__(self, tasks, size=6):
        super().__init__()
        self.tasks = nn.Embedding(tasks, size)
        self.first = HyperLinear(1, 12, size)
        self.last = HyperLinear(12, 1, size)

    def forward(self, x, task):
        condition = self.tasks(task)
        return self.last(torch.tanh(self.first(x, condition)), condition)


def waves(tasks, points=16):
    task = torch.arange(tasks)
    x = torch.rand(tasks, points, 1) * 2 - 1
    return x, torch.sin(x * 2 + task.view(-1, 1, 1)), task


torch.manual_seed(0)
model = HyperNet(tasks=4)
groups = [
    {"params": model.tasks.parameters(), "lr": 5e-2},
    {"params": [*model.first.parameters(), *model.last.parameters()]},
]
optimizer = torch.optim.Adam(groups, lr=1e-2)
losses = []
for _ in range(25):
    x, y, task = waves(4)
    loss = F.mse_loss(model(x, task), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
