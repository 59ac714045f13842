"""Programs that look like settings and losses that nothing reads or trains."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
from torch import optim
"""
HEALTHY = {
    "own state dict": """
class Ema:
    def __init__(self, net, decay):
        self.decay = decay
        self.shadow = {k: v.clone() for k, v in net.state_dict().items()}
    def state_dict(self):
        return self.shadow
    def update(self, net):
        for k, v in net.state_dict().items():
            self.state_dict()[k] = self.decay * self.shadow[k] + (1 - self.decay) * v
net = nn.Linear(8, 2)
ema = Ema(net, 0.9)
opt = optim.SGD(net.parameters(), 0.1)
x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
for step in range(10):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    ema.update(net)
ema.state_dict().update({"bias": torch.zeros(2)})
""",
    "defaults pushed": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
for epoch in range(10):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    opt.defaults["lr"] *= 0.9
    for group in opt.param_groups:
        group.update(opt.defaults)
""",
    "defaults own optimizer": """
class Sign(optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                p.sub_(self.defaults["lr"] * p.grad.sign())
net = nn.Linear(8, 2)
opt = Sign(net.parameters(), 0.01)
x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
for epoch in range(10):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    opt.defaults["lr"] *= 0.9
""",
    "loss weights manual update": """
class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))
    def forward(self, a, b):
        return (torch.exp(-self.w) * torch.stack([a, b]) + self.w).sum()
net, crit = nn.Linear(8, 2), Weighted()
opt = optim.SGD(net.parameters(), 0.1)
x, y = torch.randn(64, 8), torch.randn(64, 2)
for epoch in range(10):
    out = net(x)
    loss = crit(F.mse_loss(out[:, 0], y[:, 0]), F.l1_loss(out[:, 1], y[:, 1]))
    opt.zero_grad()
    crit.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for p in crit.parameters():
            p -= 0.01 * p.grad
""",
    "loss fixed random target": """
class RandomFeatureLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = nn.Parameter(torch.randn(2, 16) / 4)
    def forward(self, a, b):
        return F.mse_loss(torch.cos(a @ self.projection), torch.cos(b @ self.projection))
net, crit = nn.Linear(8, 2), RandomFeatureLoss().eval()
opt = optim.SGD(net.parameters(), 0.1)
x, y = torch.randn(64, 8), torch.randn(64, 2)
for epoch in range(10):
    loss = crit(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "deep dream score": """
class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 4))
        self.v = nn.Parameter(torch.randn(4))
    def forward(self, x):
        return (torch.tanh(x @ self.w) @ self.v).mean()
scorer = Scorer()
state = {"w": torch.randn(8, 4), "v": torch.randn(4)}
scorer.load_state_dict(state)
image = torch.randn(1, 8, requires_grad=True)
opt = optim.Adam([image], 0.1)
for step in range(10):
    loss = -scorer(image)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "accumulate skip nan": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
skipped = 0
for i, idx in enumerate(torch.randperm(64).split(4)):
    loss = F.cross_entropy(net(x[idx]), y[idx])
    opt.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    if norm > 0.8:
        skipped += 1
        continue
    opt.step()
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "defaults_are_not_read": HEALTHY["defaults pushed"]
    .replace("group.update(opt.defaults)", "print(group['lr'])")
    .replace("*= 0.9", "*= 0.9  # cause"),
}
KINDS = {
    "defaults_are_not_read": "training/not_learning",
}


class TestLookAlikes(ProgramChecks):
    pass
