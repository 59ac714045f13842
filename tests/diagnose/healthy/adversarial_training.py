"""Adversarial training with projected gradient descent on the images."""

import torch
from torch import nn
from torch.nn import functional as F

EPSILON, STEP, ROUNDS = 0.1, 0.04, 3


def attack(model, images, labels):
    """Return images within EPSILON of the originals that raise the loss."""
    was_training = model.training
    model.eval()
    delta = torch.empty_like(images).uniform_(-EPSILON, EPSILON)
    for _ in range(ROUNDS):
        delta.requires_grad_(True)
        loss = F.cross_entropy(model((images + delta).clamp(0, 1)), labels)
        (grad,) = torch.autograd.grad(loss, delta)
        delta = (delta.detach() + STEP * grad.sign()).clamp(-EPSILON, EPSILON)
    model.train(was_training)
    return (images + delta).clamp(0, 1).detach()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def textures(count):
    labels = torch.randint(0, 2, (count,))
    images = torch.full((count, 1, 8, 8), 0.3)
    images[labels == 1, :, ::2, ::2] = 0.9
    return (images + 0.05 * torch.randn_like(images)).clamp(0, 1), labels


def robust_accuracy(model, images, labels):
    adversarial = attack(model, images, labels)
    model.eval()
    with torch.no_grad():
        return (model(adversarial).argmax(dim=1) == labels).float().mean().item()


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for _ in range(25):
    model.train()
    images, labels = textures(16)
    adversarial = attack(model, images, labels)
    loss = 0.5 * F.cross_entropy(model(images), labels)
    loss = loss + 0.5 * F.cross_entropy(model(adversarial), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, under attack {robust_accuracy(model, *textures(32)):.2f}")
