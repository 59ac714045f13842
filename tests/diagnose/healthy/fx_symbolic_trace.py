"""Trace a trained network with torch.fx, fuse batch normalization, and compare the outputs."""

import copy

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.norm = nn.BatchNorm1d(16)
        self.dropout = nn.Dropout(0.1)
        self.last = nn.Linear(16, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return nn.functional.normalize(self.last(self.dropout(x)), dim=-1)


def train(model, steps):
    """Pull two noisy copies of each row together, and push other rows apart."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(steps):
        rows = torch.randn(16, 6)
        first = model(rows + 0.1 * torch.randn_like(rows))
        second = model(rows + 0.1 * torch.randn_like(rows))
        loss = nn.functional.cross_entropy(first @ second.t() / 0.2, torch.arange(16))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def fused(model):
    """Merge each batch normalization into the linear layer before it."""
    traced = fx.symbolic_trace(copy.deepcopy(model).eval())
    layers = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if node.op == "call_module" and isinstance(layers[node.target], nn.BatchNorm1d):
            source = node.args[0]
            merged = fuse_linear_bn_eval(layers[source.target], layers[node.target])
            setattr(traced, source.target, merged)
            node.replace_all_uses_with(source)
            traced.graph.erase_node(node)
    traced.recompile()
    traced.delete_all_unused_submodules()
    return traced


torch.manual_seed(0)
model = Encoder()
loss = train(model, 12)
model.eval()
network = fused(model)
with torch.no_grad():
    rows = torch.randn(7, 6)
    torch.testing.assert_close(network(rows), model(rows))
print(f"loss {loss:.3f}; {len(list(network.children()))} layers remain")
