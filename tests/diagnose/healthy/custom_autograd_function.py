"""An autograd.Function with two inputs, verified by gradcheck, and used in a network."""

import torch
from torch import nn
from torch.autograd import gradcheck


class SoftThreshold(torch.autograd.Function):
    """sign(x) * max(|x| - t, 0) with a gradient for both x and t."""

    @staticmethod
    def forward(ctx, x, threshold):
        ctx.save_for_backward(x, threshold)
        return x.sign() * (x.abs() - threshold).clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        x, threshold = ctx.saved_tensors
        passed = grad * (x.abs() > threshold)
        grad_threshold = -(passed * x.sign())
        return passed, grad_threshold.sum_to_size(threshold.shape)


class Shrink(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.log_threshold = nn.Parameter(torch.full((size,), -2.0))

    def forward(self, x):
        return SoftThreshold.apply(x, self.log_threshold.exp())


class SparseCoder(nn.Module):
    """Learned iterative shrinkage: two rounds of a linear map and a threshold."""

    def __init__(self, inputs, codes):
        super().__init__()
        self.analyze = nn.Linear(inputs, codes, bias=False)
        self.again = nn.Linear(codes, codes, bias=False)
        self.shrink1, self.shrink2 = Shrink(codes), Shrink(codes)
        self.synthesize = nn.Linear(codes, inputs, bias=False)

    def forward(self, x):
        start = self.analyze(x)
        code = self.shrink1(start)
        code = self.shrink2(start + self.again(code))
        return self.synthesize(code), code


torch.manual_seed(0)
example = torch.tensor([-1.5, -0.2, 0.3, 2.0], dtype=torch.float64, requires_grad=True)
limit = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
assert gradcheck(SoftThreshold.apply, (example, limit))

dictionary = nn.functional.normalize(torch.randn(12, 6), dim=1)
model = SparseCoder(6, 12)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(20):
    active = torch.zeros(32, 12).scatter_(1, torch.randint(0, 12, (32, 2)), 1.0)
    signals = active @ dictionary
    restored, code = model(signals)
    loss = nn.functional.mse_loss(restored, signals) + 1e-3 * code.abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.4f}")
