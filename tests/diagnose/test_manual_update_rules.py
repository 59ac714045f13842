"""The rule about updates that a program computes itself."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

RULE = "manual_update_of_stale_gradients"
KINDS = {RULE: "training/missing_zero_grad"}
LINE = """
x = torch.rand(40, 1) * 4
y = 3 * x + 1 + 0.1 * torch.randn(40, 1)
w, b = torch.randn(1, requires_grad=True), torch.zeros(1, requires_grad=True)
"""
NETWORK = """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.Tanh(), nn.Linear(8, 4))
"""
BROKEN = {
    f"{RULE}.data": f"""{LINE}
for i in range(30):
    loss = (0.5 * (y - torch.add(torch.mul(w, x), b)) ** 2).mean()
    loss.backward()
    b.data.sub_(0.01 * b.grad)  # cause
    w.data.sub_(0.01 * w.grad)
print(w.item(), b.item())
""",
    f"{RULE}.network": f"""{NETWORK}
def update(parameters, rate):
    with torch.no_grad():
        for p in parameters:
            p -= rate * p.grad  # cause

for _ in range(5):
    F.cross_entropy(net(images), labels).backward()
    update(list(net.parameters()), 0.05)
""",
    f"{RULE}.momentum": f"""{NETWORK}
speed = [torch.zeros_like(p) for p in net.parameters()]
for _ in range(5):
    F.cross_entropy(net(images), labels).backward()
    for p, v in zip(net.parameters(), speed):
        v.mul_(0.9).add_(p.grad.data)  # cause
        p.data.add_(v, alpha=-0.02)
""",
}
HEALTHY = {
    "set_to_zero": f"""{LINE}
for _ in range(10):
    (y - w * x - b).square().mean().backward()
    for each in (w, b):
        each.data.sub_(0.01 * each.grad)
        each.grad.zero_()
""",
    "set_to_zero_before": f"""{LINE}
for _ in range(10):
    for each in (w, b):
        if each.grad is not None:
            each.grad.data.zero_()
    (y - w * x - b).square().mean().backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
        b -= 0.01 * b.grad
""",
    "set_to_none": f"""{LINE}
for _ in range(10):
    w.grad = b.grad = None
    (y - w * x - b).square().mean().backward()
    w.data = w.data - 0.01 * w.grad
    b.data -= 0.01 * b.grad
""",
    "zero_grad_of_the_network": f"""{NETWORK}
for _ in range(5):
    net.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(p.grad, alpha=-0.05)
""",
    "zeros_that_stay_tensors": f"""{NETWORK}
for _ in range(5):
    net.zero_grad(set_to_none=False)
    F.cross_entropy(net(images), labels).backward()
    with torch.no_grad():
        for p in net.parameters():
            p -= 0.05 * p.grad
""",
    "gradients_of_two_batches": f"""{LINE}
for _ in range(5):
    for part in (slice(0, 20), slice(20, 40)):
        (y[part] - w * x[part] - b).square().mean().div(2).backward()
    with torch.no_grad():
        for each in (w, b):
            each -= 0.01 * each.grad
            each.grad.mul_(0)
""",
    "gradients_that_are_returned": f"""{LINE}
for _ in range(5):
    loss = (y - w * x - b).square().mean()
    of_w, of_b = torch.autograd.grad(loss, [w, b])
    with torch.no_grad():
        w -= 0.01 * of_w
        b -= 0.01 * of_b
""",
    "one_direction_for_all_steps": f"""{NETWORK}
class Direction:
    grad = torch.randn(8, 108)

for _ in range(5):
    net.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    net[1].weight.data.add_(1e-4 * Direction.grad)
""",
    "attack_with_new_gradients": f"""{NETWORK}
attacked = images.clone()
for _ in range(5):
    attacked = attacked.detach().requires_grad_(True)
    F.cross_entropy(net(attacked), labels).backward()
    attacked.data.add_(0.01 * attacked.grad.sign())
""",
}
FIXED = [f"{RULE}.data", f"{RULE}.network"]


class TestPrograms(FixedProgramChecks):
    pass
