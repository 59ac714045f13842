"""An ensemble as one batched model: stacked parameters, vmap and per-sample gradients."""

import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

MEMBERS = 3


def make_member():
    return nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1))


def data(count):
    x = torch.randn(count, 3)
    return x, (x[:, :1] - x[:, 1:2] * x[:, 2:])


torch.manual_seed(0)
members = [make_member() for _ in range(MEMBERS)]
skeleton = make_member().to("meta")
params, buffers = stack_module_state(members)


def predict(params, buffers, x):
    return functional_call(skeleton, (params, buffers), (x,))


predict_all = vmap(predict, in_dims=(0, 0, None))
optimizer = torch.optim.SGD(params.values(), lr=0.1, momentum=0.9)
for _ in range(20):
    x, y = data(32)
    predictions = predict_all(params, buffers, x)
    loss = (predictions - y).square().mean(dim=(1, 2)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def sample_loss(params, x, y):
    first = {name: value[0] for name, value in params.items()}
    return (predict(first, {}, x.unsqueeze(0)).squeeze(0) - y).square().sum()


frozen = {name: value.detach() for name, value in params.items()}
x, y = data(5)
per_sample = vmap(grad(sample_loss), in_dims=(None, 0, 0))(frozen, x, y)
with torch.no_grad():
    spread = predict_all(params, buffers, x).std(dim=0).mean()
print(f"loss {loss.item():.3f}, spread {spread:.3f}, {per_sample['0.weight'].shape}")
