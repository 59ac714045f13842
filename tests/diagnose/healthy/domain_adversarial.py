"""Domain adaptation: a reversed gradient makes features of two domains alike."""

import torch
from torch import nn
from torch.nn import functional as F


class ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.strength * grad, None


class DANN(nn.Module):
    def __init__(self, features=6, hidden=16, classes=2):
        super().__init__()
        self.extractor = nn.Sequential(nn.Linear(features, hidden), nn.ReLU())
        self.classifier = nn.Linear(hidden, classes)
        self.domain = nn.Sequential(nn.Linear(hidden, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x):
        return self.classifier(self.extractor(x))

    def domain_logits(self, x, strength):
        return self.domain(ReverseGradient.apply(self.extractor(x), strength)).squeeze(1)


def source(count):
    x = torch.randn(count, 6)
    return x, (x[:, 0] > 0).long()


def target(count):
    x, y = source(count)
    return x + torch.tensor([0.0, 0.0, 1.5, 1.5, 0.0, 0.0]), y


torch.manual_seed(0)
model = DANN()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
STEPS = 25
model.train()
for step in range(STEPS):
    strength = 2 / (1 + torch.exp(torch.tensor(-10.0 * step / STEPS)).item()) - 1
    x_source, y_source = source(32)
    x_target, _ = target(32)
    task = F.cross_entropy(model(x_source), y_source)
    both = torch.cat([x_source, x_target])
    domain = torch.cat([torch.zeros(32), torch.ones(32)])
    confusion = F.binary_cross_entropy_with_logits(model.domain_logits(both, strength), domain)
    optimizer.zero_grad()
    (task + confusion).backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    x, y = target(200)
    accuracy = (model(x).argmax(dim=1) == y).float().mean()
print(f"task {task.item():.3f}, confusion {confusion.item():.3f}, on the target {accuracy:.2f}")
