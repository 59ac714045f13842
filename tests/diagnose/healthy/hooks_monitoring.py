"""Hooks that watch a run: activation statistics, gradient norms, and a clamp on one gradient."""

from collections import defaultdict

import torch
from torch import nn


class Monitor:
    def __init__(self, model):
        self.activations = defaultdict(list)
        self.gradients = defaultdict(list)
        self.handles = []
        for name, module in model.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                self.handles.append(module.register_forward_hook(self.forward_hook(name)))
        for name, parameter in model.named_parameters():
            self.handles.append(parameter.register_post_accumulate_grad_hook(self.grad_hook(name)))

    def forward_hook(self, name):
        def hook(module, inputs, output):
            self.activations[name].append(output.detach().std().item())

        return hook

    def grad_hook(self, name):
        def hook(parameter):
            self.gradients[name].append(parameter.grad.norm().item())

        return hook

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for handle in self.handles:
            handle.remove()


def build():
    return nn.Sequential(
        nn.Conv2d(2, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 3),
    )


def batch(count):
    labels = torch.randint(0, 3, (count,))
    images = torch.randn(count, 2, 8, 8)
    images[:, 0] += labels.view(-1, 1, 1)
    return images, labels


torch.manual_seed(0)
model = build()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
clamp = model[-1].weight.register_hook(lambda grad: grad.clamp(-0.1, 0.1))
with Monitor(model) as monitor:
    for _ in range(8):
        images, labels = batch(12)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
clamp.remove()
largest = max(monitor.gradients, key=lambda name: monitor.gradients[name][-1])
print(f"loss {loss.item():.3f}, {len(monitor.activations)} layers, largest gradient {largest}")
