"""Programs that look like discriminators without an opponent, and like mistakes of norms."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
from torch import optim
"""
HEALTHY = {
    "gan negated logits": """
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og, od = optim.Adam(G.parameters(), 1e-3), optim.Adam(D.parameters(), 1e-3)
bce = nn.BCEWithLogitsLoss()
ones = torch.ones(32, 1)
for step in range(8):
    real, z = torch.randn(32, 2) + 2, torch.randn(32, 4)
    fake = G(z)
    od.zero_grad()
    d_loss = bce(D(real), ones) + bce(-D(fake.detach()), ones)
    d_loss.backward()
    od.step()
    og.zero_grad()
    g_loss = bce(D(fake), ones)
    g_loss.backward()
    og.step()
""",
    "gan one minus prob": """
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
og, od = optim.Adam(G.parameters(), 1e-3), optim.Adam(D.parameters(), 1e-3)
bce = nn.BCELoss()
ones = torch.ones(32, 1)
for step in range(8):
    real, z = torch.randn(32, 2) + 2, torch.randn(32, 4)
    fake = G(z)
    od.zero_grad()
    d_loss = bce(D(real), ones) + bce(1 - D(fake.detach()), ones)
    d_loss.backward()
    od.step()
    og.zero_grad()
    g_loss = bce(D(fake), ones)
    g_loss.backward()
    og.step()
""",
    "gan generator negated zero": """
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og, od = optim.Adam(G.parameters(), 1e-3), optim.Adam(D.parameters(), 1e-3)
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
for step in range(8):
    real, z = torch.randn(32, 2) + 2, torch.randn(32, 4)
    fake = G(z)
    od.zero_grad()
    d_loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    d_loss.backward()
    od.step()
    og.zero_grad()
    g_loss = bce(-D(fake), zeros)
    g_loss.backward()
    og.step()
""",
    "wgan maximize": """
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
C = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og = optim.RMSprop(G.parameters(), 1e-3)
oc = optim.RMSprop(C.parameters(), 1e-3, maximize=True)
for step in range(8):
    real, z = torch.randn(32, 2) + 2, torch.randn(32, 4)
    fake = G(z)
    oc.zero_grad()
    (C(real).mean() - C(fake.detach()).mean()).backward()
    oc.step()
    for p in C.parameters():
        p.data.clamp_(-0.1, 0.1)
    og.zero_grad()
    (-C(fake).mean()).backward()
    og.step()
""",
    "grl critic": """
class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)
    @staticmethod
    def backward(ctx, g):
        return -g
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
C = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og, oc = optim.Adam(G.parameters(), 1e-3), optim.Adam(C.parameters(), 1e-3)
for step in range(8):
    real, z = torch.randn(32, 2) + 2, torch.randn(32, 4)
    og.zero_grad()
    oc.zero_grad()
    loss = C(Reverse.apply(G(z))).mean() - C(real).mean()
    loss.backward()
    og.step()
    oc.step()
""",
    "split learning loss head": """
class Client(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(10, 8)
    def forward(self, x):
        return torch.relu(self.f(x))
class Energy(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(8, 1)
    def forward(self, h):
        return F.softplus(self.f(h))
a, b = Client(), Energy()
oa, ob = optim.SGD(a.parameters(), 0.1), optim.SGD(b.parameters(), 0.1)
pos, neg = torch.randn(32, 10), torch.randn(32, 10)
for step in range(8):
    loss = b(a(pos)).mean() + (1 - b(a(neg))).clamp(min=0).mean()
    oa.zero_grad()
    ob.zero_grad()
    loss.backward()
    oa.step()
    ob.step()
""",
    "own spectral norm": """
class SN(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i) * 0.3)
        self.bias = nn.Parameter(torch.zeros(o))
        self.register_buffer("u", torch.randn(o))
    def forward(self, x):
        w = self.weight
        with torch.no_grad():
            v = F.normalize(w.t() @ self.u, dim=0)
            self.u.copy_(F.normalize(w @ v, dim=0))
        sigma = self.u @ w @ v
        return F.linear(x, w / sigma, self.bias)
net = nn.Sequential(SN(4, 16), nn.ReLU(), SN(16, 1))
opt = optim.Adam(net.parameters(), 1e-3)
x, y = torch.randn(64, 4), torch.randn(64, 1)
for step in range(10):
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "d normalizes inside": """
class D_(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)
        )
    def forward(self, x, fake=False):
        return self.f(x if fake else x * 2 - 1)
G = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
D = D_()
og, od = optim.Adam(G.parameters(), 2e-4), optim.Adam(D.parameters(), 2e-4)
images = torch.randint(0, 256, (64, 1, 8, 8)).float() / 255
bce = F.binary_cross_entropy_with_logits
for real in images.split(16):
    fake = G(torch.randn(16, 8))
    od.zero_grad()
    (
        bce(D(real), torch.ones(16, 1)) + bce(D(fake.detach(), True), torch.zeros(16, 1))
    ).backward()
    od.step()
    og.zero_grad()
    bce(D(fake, True), torch.ones(16, 1)).backward()
    og.step()
""",
    "gan flipped labels at times": """
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og, od = optim.Adam(G.parameters(), 1e-3), optim.Adam(D.parameters(), 1e-3)
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
for step in range(10):
    fake = G(torch.randn(32, 4))
    real = torch.randn(32, 2) + 2
    labels = (zeros, ones) if step % 5 == 0 else (ones, zeros)
    od.zero_grad()
    (bce(D(real), labels[0]) + bce(D(fake.detach()), labels[1])).backward()
    od.step()
    og.zero_grad()
    bce(D(fake), ones).backward()
    og.step()
""",
    "gradient penalty mse two labels": """
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
C = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og, oc = optim.Adam(G.parameters(), 1e-4), optim.Adam(C.parameters(), 1e-4)
for i in range(6):
    real = (torch.randn(32, 2) + 2).requires_grad_(True)
    fake = G(torch.randn(32, 4))
    fd = fake.detach().requires_grad_(True)
    r, f = C(real), C(fd)
    (gr,) = torch.autograd.grad(r.sum(), real, create_graph=True)
    (gf,) = torch.autograd.grad(f.sum(), fd, create_graph=True)
    pen = F.mse_loss(gr.norm(dim=1), torch.ones(32)) + F.mse_loss(
        gf.norm(dim=1), torch.ones(32)
    )
    oc.zero_grad()
    (f.mean() - r.mean() + 5 * pen).backward()
    oc.step()
    g = C(fake)
    og.zero_grad()
    (-g.mean() + 0.01 * F.mse_loss(g, torch.zeros_like(g))).backward()
    og.step()
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "one_label_for_both": HEALTHY["gan negated logits"].replace(
        "bce(-D(fake.detach()), ones)", "bce(D(fake.detach()), ones)  # cause"
    ),
}
KINDS = {
    "one_label_for_both": "loss/wrong_loss",
}


class TestLookAlikes(ProgramChecks):
    pass
