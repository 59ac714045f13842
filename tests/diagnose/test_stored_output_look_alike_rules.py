"""Programs that look like terms, stored outputs and parameters that nothing trains."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import copy

from torch import optim
from torch.utils.data import DataLoader, Dataset, TensorDataset
"""
HEALTHY = {
    "kl by hand rebuilt teacher": """
teacher = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
student = nn.Linear(8, 4)
opt = optim.SGD(student.parameters(), 0.1)
x = torch.randn(64, 8)
for step in range(10):
    with torch.no_grad():
        logits = teacher(x)
    probs = torch.from_numpy(logits.numpy()).softmax(1)
    loss = (probs * probs.log()).sum(1).mean() - (probs * student(x).log_softmax(1)).sum(
        1
    ).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "kl by hand rebuilt teacher2": """
teacher = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
student = nn.Linear(8, 4)
opt = optim.SGD(student.parameters(), 0.1)
x = torch.randn(64, 8)
for step in range(10):
    target = torch.tensor(teacher(x).detach().numpy()).softmax(1)
    entropy = (target * target.log()).sum(1).mean()
    cross = -(target * student(x).log_softmax(1)).sum(1).mean()
    loss = cross + entropy
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "prior batch repulsion": """
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
ema = copy.deepcopy(net).requires_grad_(False)
opt = optim.SGD(net.parameters(), 0.1)
loader = DataLoader(
    TensorDataset(torch.randn(64, 8), torch.randint(0, 4, (64,))), 16, shuffle=True
)
previous = None
for epoch in range(6):
    for x, y in loader:
        z = F.normalize(net(x), dim=1)
        with torch.no_grad():
            k = F.normalize(ema(x), dim=1)
        loss = 2 - 2 * (z * k).sum(1).mean()
        if previous is not None:
            loss = loss + F.cosine_similarity(z, previous).clamp(min=0).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        previous = k
        with torch.no_grad():
            for p, q in zip(ema.parameters(), net.parameters()):
                p.lerp_(q, 0.05)
""",
    "stored negative mse": """
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
opt = optim.SGD(net.parameters(), 0.1)
loader = DataLoader(
    TensorDataset(torch.randn(64, 8), torch.randint(0, 4, (64,))), 16, shuffle=True
)
previous = None
head = nn.Linear(4, 4)
for epoch in range(6):
    for x, y in loader:
        z = net(x)
        loss = F.cross_entropy(head(z), y)
        if previous is not None:
            loss = loss - 0.01 * F.mse_loss(z, previous).clamp(max=1)
        opt.zero_grad()
        loss.backward()
        opt.step()
        previous = z.detach()
""",
    "anml head reset": """
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
opt = optim.Adam(net.parameters(), 1e-3)
for episode in range(8):
    net[2].weight = nn.Parameter(torch.randn(4, 16) * 0.1)
    x, y = torch.randn(64, 8), torch.randint(0, 4, (64,))
    for inner in range(3):
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        net[2].weight.grad = None
        loss.backward()
        with torch.no_grad():
            net[2].weight -= 0.1 * net[2].weight.grad
        opt.step()
""",
    "noise injection restore": """
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
opt = optim.Adam(net.parameters(), 1e-3)
x, y = torch.randn(64, 8), torch.randint(0, 4, (64,))
for step in range(8):
    saved = {m: m.weight for m in net if isinstance(m, nn.Linear)}
    for m, w in saved.items():
        m.weight = nn.Parameter(w.detach() + 0.01 * torch.randn_like(w))
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    for m, w in saved.items():
        w.grad = m.weight.grad
        m.weight = w
    opt.step()
""",
    "arrows flip": """
class Arrows(Dataset):
    def __init__(self):
        g = torch.Generator().manual_seed(0)
        self.img = torch.rand(24, 3, 16, 16, generator=g)
        start = torch.rand(24, 1, 2, generator=g) * 6
        self.seg = torch.cat([start, start + 1 + torch.rand(24, 1, 2, generator=g) * 8], -1)
    def __len__(self):
        return 24
    def __getitem__(self, i):
        img, seg = self.img[i], self.seg[i].clone()
        if torch.rand(()) < 0.5:
            img = img.flip(-1)
            seg[:, [0, 2]] = 16 - seg[:, [0, 2]]
        return img, seg[0]
net = nn.Sequential(nn.Flatten(), nn.Linear(768, 4))
opt = optim.SGD(net.parameters(), 1e-4)
for epoch in range(2):
    for x, y in DataLoader(Arrows(), 8, shuffle=True):
        out = net(x)
        loss = torch.minimum(
            (out - y).abs().sum(1), (out - y[:, [2, 3, 0, 1]]).abs().sum(1)
        ).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "ordinal threshold": """
net = nn.Linear(8, 1)
opt = optim.Adam(net.parameters(), 1e-2)
x = torch.randn(64, 8)
y = (x[:, :1] > 0).float()
for step in range(10):
    logits = net(x)
    loss = F.binary_cross_entropy_with_logits(logits, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    logits = net(x)
    table = {t: ((logits > t) == (y > 0)).float().mean().item() for t in (-0.5, 0.0, 0.5)}
    print(table, torch.round(logits, decimals=1)[:3])
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "logits_compared_with_half": HEALTHY["ordinal threshold"].replace(
        "(logits > t)", "(logits > 0.5)  # cause\n        "
    ),
}
KINDS = {
    "logits_compared_with_half": "loss/broadcast_metric",
}


class TestLookAlikes(ProgramChecks):
    pass
