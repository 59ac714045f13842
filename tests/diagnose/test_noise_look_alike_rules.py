"""Programs that look like mistakes of noise, temperatures and masks."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import copy

import numpy as np
from torch import optim
"""
HEALTHY = {
    "toy regression input noise": """
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
opt = optim.Adam(net.parameters(), 1e-3)
x, y = torch.randn(64, 8), torch.randn(64, 8)
for step in range(10):
    loss = F.mse_loss(net(x + 0.1 * torch.randn_like(x)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "sbi": """
net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 3))
opt = optim.Adam(net.parameters(), 1e-3)
def simulator(t):
    t = t.numpy()
    return torch.from_numpy(np.tanh(t @ np.eye(3, dtype=np.float32)))
for step in range(10):
    theta = torch.randn(64, 3)
    obs = simulator(theta)
    obs = obs + 0.05 * torch.randn_like(obs)
    loss = F.mse_loss(net(obs), theta)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "speed benchmark": """
net = nn.Conv2d(3, 3, 3, padding=1)
opt = optim.SGD(net.parameters(), 1e-3)
for step in range(10):
    x = torch.randn(8, 3, 8, 8)
    y = torch.randn(8, 3, 8, 8)
    loss = F.l1_loss(net(x + 0.01 * torch.randn_like(x)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "variance levels": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))
    def forward(self, x):
        return self.f(x)
net = Net()
opt = optim.Adam(net.parameters(), 1e-3)
levels = torch.linspace(0.01, 0.4, 10)
data = torch.randn(64, 8)
for step in range(10):
    share = levels[torch.randint(0, 10, (64,))].unsqueeze(1)
    noise = torch.randn_like(data)
    mixed = (1 - share).sqrt() * data + share.sqrt() * noise
    loss = F.mse_loss(net(mixed), noise)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "bridge": """
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))
opt = optim.Adam(net.parameters(), 1e-3)
data = torch.rand(64, 8)
for step in range(10):
    t = torch.rand(64, 1)
    eps = torch.randn_like(data)
    xt = (1 - t) * data + t.sqrt() * eps
    loss = F.mse_loss(net(xt), eps)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "uda sharpening": """
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
opt = optim.Adam(net.parameters(), 1e-3)
x, y, u = torch.randn(32, 8), torch.randint(0, 4, (32,)), torch.randn(64, 8)
for step in range(10):
    with torch.no_grad():
        target = F.softmax(net(u) / 0.4, dim=1)
    student = F.log_softmax(net(u + 0.1 * torch.randn_like(u)), dim=1)
    loss = F.cross_entropy(net(x), y) + F.kl_div(student, target, reduction="batchmean")
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "mean teacher sharpening": """
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
ema = copy.deepcopy(net).requires_grad_(False)
opt = optim.Adam(net.parameters(), 1e-3)
x, y, u = torch.randn(32, 8), torch.randint(0, 4, (32,)), torch.randn(64, 8)
for step in range(10):
    with torch.no_grad():
        target = F.softmax(ema(u) / 0.5, dim=1)
    student = F.log_softmax(net(u + 0.1 * torch.randn_like(u)), dim=1)
    loss = F.cross_entropy(net(x), y) + F.kl_div(student, target, reduction="batchmean")
    opt.zero_grad()
    loss.backward()
    opt.step()
    for p, q in zip(ema.parameters(), net.parameters()):
        p.lerp_(q, 0.01)
""",
    "cosine student scale": """
class Cos(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 8))
    def forward(self, x):
        return F.normalize(x, dim=1) @ F.normalize(self.w, dim=1).t()
teacher = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
student = Cos()
opt = optim.Adam(student.parameters(), 1e-3)
x = torch.randn(64, 8)
for step in range(10):
    with torch.no_grad():
        t = teacher(x).softmax(1)
    loss = F.kl_div(F.log_softmax(student(x) * 16, dim=1), t, reduction="batchmean")
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "relu by mask softmax": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 4)
    def forward(self, x):
        h = self.b(torch.relu(self.a(x)))
        h = h * (h > 0).float()
        return F.log_softmax(h, dim=1)
net = Net()
opt = optim.Adam(net.parameters(), 1e-2)
x, y = torch.randn(64, 8), torch.randint(0, 4, (64,))
for step in range(10):
    loss = F.nll_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "logit dropout": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 4)
    def forward(self, x):
        h = self.b(torch.relu(self.a(x)))
        if self.training:
            keep = (torch.rand_like(h) > 0.1).float()
            h = h * keep
        return F.log_softmax(h, dim=1)
net = Net()
opt = optim.Adam(net.parameters(), 1e-2)
x, y = torch.randn(64, 8), torch.randint(0, 4, (64,))
for step in range(10):
    loss = F.nll_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
net.eval()
net(x)
""",
    "gated classes soft gate": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 4)
        self.gate = nn.Linear(8, 1)
    def forward(self, x):
        confident = (torch.sigmoid(self.gate(x)) > 0.5).float()
        return torch.softmax(self.a(x) * confident, 1)
net = Net()
opt = optim.Adam(net.a.parameters(), 1e-2)
x, y = torch.randn(64, 8), torch.randint(0, 4, (64,))
for step in range(10):
    loss = F.nll_loss(net(x).log(), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "sgd large rate": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.5, 0.1)
x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
for step in range(10):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "momentum_as_rate": HEALTHY["sgd large rate"].replace("0.5, 0.1)", "0.9, 0.1)  # cause"),
}
KINDS = {
    "momentum_as_rate": "training/not_learning",
}


class TestLookAlikes(ProgramChecks):
    pass
