"""Auxiliary classifiers after each stage help training; only the last one is used later."""

import torch
from torch import nn


class Stage(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(2, outputs)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class DeeplySupervised(nn.Module):
    def __init__(self, widths=(6, 8, 12), classes=3):
        super().__init__()
        channels = (1, *widths)
        self.stages = nn.ModuleList(Stage(a, b) for a, b in zip(channels, widths))
        self.exits = nn.ModuleList(nn.Linear(width, classes) for width in widths)

    def forward(self, x):
        """Return the logits of every exit in train mode, those of the last in eval mode."""
        outputs = []
        for number, (stage, leave) in enumerate(zip(self.stages, self.exits)):
            x = stage(x)
            if self.training or number == len(self.stages) - 1:
                outputs.append(leave(x.mean(dim=(2, 3))))
        return outputs if self.training else outputs[-1]


def total_loss(outputs, labels, weights=(0.2, 0.3, 1.0)):
    losses = [nn.functional.cross_entropy(output, labels) for output in outputs]
    return sum(weight * loss for weight, loss in zip(weights, losses))


def grids(count):
    labels = torch.randint(0, 3, (count,))
    images = torch.zeros(count, 1, 8, 8)
    images[labels == 1, :, ::2] = 1
    images[labels == 2, :, :, ::2] = 1
    return images + 0.2 * torch.randn_like(images), labels


torch.manual_seed(0)
model = DeeplySupervised()
optimizer = torch.optim.NAdam(model.parameters(), lr=1e-2)
for _ in range(12):
    model.train()
    images, labels = grids(16)
    loss = total_loss(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    images, labels = grids(32)
    accuracy = (model(images).argmax(1) == labels).float().mean().item()
print(f"loss {loss.item():.3f}, accuracy {accuracy:.2f}")
