"""A network with binary activations, trained with a straight-through estimator."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SignSTE(torch.autograd.Function):
    """The sign of the input; its gradient passes where the input is within [-1, 1]."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class BinaryMLP(nn.Module):
    def __init__(self, features: int, hidden: int, classes: int):
        super().__init__()
        self.encode = nn.Linear(features, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(SignSTE.apply(self.norm(self.encode(x))))


def batch(size: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(size, 10)
    return x, (x[:, :5].sum(1) > x[:, 5:].sum(1)).long()


torch.manual_seed(0)
net = BinaryMLP(10, 32, 2)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

net.train()
for _ in range(40):
    x, y = batch(64)
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

net.eval()
with torch.no_grad():
    x, y = batch(200)
    accuracy = (net(x).argmax(1) == y).float().mean()
print(f"accuracy {accuracy:.2f}")
