"""The rule about shapes in a loss, for programs that train tensors without a network."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"loss_broadcasts": "loss/broadcast_loss"}
LINE = """
x = torch.cat([torch.ones(16, 1), torch.rand(16, 1)], 1)
y = 2 * x[:, 1] + 1
weights, bias = torch.randn(2, 1, requires_grad=True), torch.randn(1, requires_grad=True)
optimizer = torch.optim.Adam([weights, bias], lr=0.01)

def step(loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
BROKEN = {
    "loss_broadcasts": f"""{LINE}
for _ in range(5):
    out = x.mm(weights).add_(bias)
    step(torch.mean((out - y) ** 2))  # cause
""",
    "loss_broadcasts.absolute": f"""{LINE}
def error(predicted, wanted):
    return (wanted - predicted).abs().sum() / len(wanted)  # cause

for _ in range(5):
    step(error(x @ weights + bias, y))
""",
}
HEALTHY = {
    "one_shape": f"""{LINE}
for _ in range(5):
    step(((x @ weights + bias).squeeze(1) - y).square().mean())
    step(((x @ weights + bias) - y.unsqueeze(1)).square().mean())
""",
    "centers_of_clusters": """
points = torch.rand(16)
centers = torch.rand(16, 1, requires_grad=True)
optimizer = torch.optim.SGD([centers], lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    (centers - points).square().mean().backward()
    optimizer.step()
""",
    "distances_of_all_pairs": """
x, scale = torch.rand(16, 1), torch.ones(1, requires_grad=True)
y = torch.sin(x[:, 0])
optimizer = torch.optim.SGD([scale], lr=0.01)
for _ in range(5):
    optimizer.zero_grad()
    scaled = x / scale
    kernel = torch.exp(-0.5 * (scaled - scaled.t()) ** 2) + 0.1 * torch.eye(16)
    (y @ torch.linalg.solve(kernel, y) + torch.logdet(kernel)).backward()
    optimizer.step()
""",
}
FIXED = list(BROKEN)


class TestPrograms(FixedProgramChecks):
    pass
