"""Quantization-aware training by hand: rounding forward, the identity backward."""

import torch
from torch import nn
from torch.nn import functional as F


def fake_quantize(x, scale, low, high):
    """Round to the grid of `scale`; the gradient is that of the clamp."""
    scaled = (x / scale).clamp(low, high)
    rounded = scaled + (scaled.round() - scaled).detach()
    return rounded * scale


class Observer(nn.Module):
    """A moving maximum of the activations, fixed in eval mode."""

    def __init__(self, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("maximum", torch.tensor(1.0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.maximum.lerp_(x.abs().max().clamp(min=1e-3), self.momentum)
        return fake_quantize(x, self.maximum / 127, -128, 127)


class QuantLinear(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.observe = Observer()

    def forward(self, x):
        scale = self.weight.detach().abs().amax(dim=1, keepdim=True) / 127
        weight = fake_quantize(self.weight, scale, -128, 127)
        return F.linear(self.observe(x), weight, self.bias)


def xor(count):
    x = torch.rand(count, 2) * 2 - 1
    return x, (x[:, 0] * x[:, 1] > 0).long()


torch.manual_seed(0)
model = nn.Sequential(QuantLinear(2, 16), nn.ReLU(), QuantLinear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
model.train()
for _ in range(40):
    x, y = xor(64)
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    x, y = xor(200)
    accuracy = (model(x).argmax(1) == y).float().mean().item()
print(f"loss {loss.item():.3f}, accuracy {accuracy:.2f}")
