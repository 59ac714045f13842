"""Programs that keep, copy and change networks, and look as if they lost what they keep."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import copy
import io
import os
import pathlib
import tempfile

from torch.optim.swa_utils import AveragedModel
"""
HEALTHY = {
    "run model per rate": """
class Run:
    def __init__(self, lr):
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
        self.opt = torch.optim.SGD(self.model.parameters(), lr)
    def fit(self):
        for _ in range(5):
            loss = F.cross_entropy(self.model(images), labels)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
best, best_model = (-1.0, None)
for lr in (0.01, 0.1, 0.3):
    run = Run(lr)
    run.fit()
    with torch.no_grad():
        score = (run.model(images).argmax(1) == labels).float().mean().item()
    if score > best:
        best, best_model = (score, run.model)
print(best, best_model(images).shape)
""",
    "random restarts": """
def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
def train(net):
    opt = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(4):
        loss = F.cross_entropy(net(images), labels)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()
winner, lowest = (None, float("inf"))
nets = [build() for _ in range(3)]
index = 0
while index < len(nets):
    candidate = nets[index]
    value = train(candidate)
    if value < lowest:
        lowest = value
        winner = candidate
    index += 1
print(winner(images).shape)
""",
    "reloaded best": """
path = os.path.join(tempfile.mkdtemp(), "best.pt")
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
best_loss, best_net = (1000000000.0, None)
for epoch in range(6):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if loss.item() < best_loss:
        best_loss = loss.item()
        best_net = net
        torch.save(net.state_dict(), path)
best_net.load_state_dict(torch.load(path))
best_net.eval()
with torch.no_grad():
    print((best_net(images).argmax(1) == labels).float().mean().item())
""",
    "champion saved each epoch": """
folder = tempfile.mkdtemp()
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
lowest, champion = (1000000000.0, copy.deepcopy(net.state_dict()))
for epoch in range(6):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if loss.item() < lowest:
        lowest = loss.item()
        champion = copy.deepcopy(net.state_dict())
    torch.save(champion, os.path.join(folder, "best.pt"))
    torch.save(net.state_dict(), os.path.join(folder, "last.pt"))
net.load_state_dict(champion)
net.eval()
with torch.no_grad():
    print(net(images).shape)
""",
    "continue without improvement": """
folder = tempfile.mkdtemp()
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
lowest, stale = (1000000000.0, 0)
for epoch in range(6):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if loss.item() < lowest:
        lowest, stale = (loss.item(), 0)
    else:
        stale += 1
        if stale > 3:
            break
        continue
    torch.save(net.state_dict(), os.path.join(folder, "best.pt"))
net.load_state_dict(torch.load(os.path.join(folder, "best.pt")))
net.eval()
with torch.no_grad():
    print(net(images).shape)
""",
    "best folder last file": """
best_lr_dir = pathlib.Path(tempfile.mkdtemp()) / "best_lr"
best_lr_dir.mkdir()
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
lowest = 1000000000.0
for epoch in range(6):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if loss.item() < lowest:
        lowest = loss.item()
    torch.save({"model": net.state_dict(), "epoch": epoch}, best_lr_dir / f"epoch_{epoch}.pt")
net.eval()
with torch.no_grad():
    print(net(images).shape, lowest)
""",
    "best per epoch numbered": """
out = tempfile.mkdtemp()
class Trainer:
    def __init__(self):
        self.net = Net()
        self.opt = torch.optim.SGD(self.net.parameters(), 0.05)
        self.best = 1000000000.0
    def fit(self):
        for epoch in range(5):
            loss = F.cross_entropy(self.net(images), labels)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            value = loss.item()
            improved = value < self.best
            if value < self.best:
                self.best = value
            if improved:
                torch.save(self.net.state_dict(), os.path.join(out, "best.pt"))
            torch.save(
                self.net.state_dict(), os.path.join(out, f"with_best_settings_{epoch}.pt")
            )
t = Trainer()
t.fit()
""",
    "headless teacher": """
class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.ReLU())
        self.head = nn.Linear(16, 4)
    def forward(self, x, features=False):
        h = self.backbone(x)
        return h if features else self.head(h)
net = Backbone()
teacher = copy.deepcopy(net).requires_grad_(False)
opt = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(6):
    with torch.no_grad():
        t = teacher(images, features=True)
    h = net(images + 0.1 * torch.randn_like(images), features=True)
    loss = F.cross_entropy(net.head(h), labels) + F.mse_loss(h, t)
    opt.zero_grad()
    loss.backward()
    opt.step()
    net(images)
    with torch.no_grad():
        for p, q in zip(net.backbone.parameters(), teacher.backbone.parameters()):
            q.lerp_(p, 0.05)
""",
    "target copies of one class": """
class Enc(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.ReLU())
        self.proj = nn.Linear(16, 8)
        self.predictor = nn.Sequential(nn.ReLU(), nn.Linear(8, 8))
    def forward(self, x, predict=True):
        z = self.proj(self.body(x))
        return self.predictor(z) if predict else z
online = Enc()
target = copy.deepcopy(online)
for p in target.parameters():
    p.requires_grad = False
opt = torch.optim.Adam(online.parameters(), 0.001)
for _ in range(6):
    a, b = (images + 0.1 * torch.randn_like(images), images + 0.1 * torch.randn_like(images))
    with torch.no_grad():
        ta, tb = (target(a, predict=False), target(b, predict=False))
    pa, pb = (online(a), online(b))
    loss = 4 - 2 * (F.cosine_similarity(pa, tb).mean() + F.cosine_similarity(pb, ta).mean())
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for part in ("body", "proj"):
            for p, q in zip(
                getattr(online, part).parameters(), getattr(target, part).parameters()
            ):
                q.mul_(0.99).add_(p, alpha=0.01)
""",
    "loop over parameters": """
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
shapes = {}
for step in range(3):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    for name, p in net.named_parameters():
        p = p.detach().abs()
        shapes[name] = p.mean().item()
    for p in net.parameters():
        g = p.grad / (p.grad.norm() + 1e-06)
        p.grad.copy_(g)
    for name, value in net.state_dict().items():
        value = value.float() * 1.0
        buffer = io.BytesIO()
        torch.save(value, buffer)
    for p in net.parameters():
        p.register_hook(lambda g: g.clamp(-1, 1))
    opt.step()
""",
    "export in half": """
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
for step in range(3):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
def halves(net):
    for p in net.parameters():
        p = p.detach().half()
        yield p
def check(net):
    for p in net.parameters():
        try:
            p.add(1)
        except RuntimeError:
            return False
    return True
print(sum((p.numel() for p in halves(net))), check(net))
""",
    "penalty with decay by hand": """
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
for e in range(4):
    penalty = 0.001 * sum((p.detach().pow(2).sum() for p in net.parameters()))
    loss = F.cross_entropy(net(images), labels)
    total = loss + penalty
    opt.zero_grad()
    total.backward()
    with torch.no_grad():
        for p in net.parameters():
            p.grad.add_(p, alpha=0.002)
    opt.step()
""",
    "value clip each branch": """
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.1)
def backward(loss):
    loss.backward()
    norm = nn.utils.clip_grad_norm_(net.parameters(), float("inf"))
    return norm
for _ in range(4):
    opt.zero_grad()
    norms = [
        backward(F.cross_entropy(net(images[k : k + 4]), labels[k : k + 4]) / 4)
        for k in range(0, 16, 4)
    ]
    opt.step()
""",
    "dp sgd": """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.SGD(net.parameters(), 0.1)
for step in range(4):
    sums = [torch.zeros_like(p) for p in net.parameters()]
    for i in range(6):
        opt.zero_grad()
        loss = F.cross_entropy(net(images[i : i + 1]), labels[i : i + 1])
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        for s, p in zip(sums, net.parameters()):
            s += p.grad
    for s, p in zip(sums, net.parameters()):
        p.grad = (s + 0.1 * torch.randn_like(s)) / 6
    opt.step()
""",
    "sam": """
net = Net()
base = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
for step in range(6):
    loss = F.cross_entropy(net(images), labels)
    base.zero_grad()
    loss.backward()
    with torch.no_grad():
        norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
        moves = []
        for p in net.parameters():
            e = p.grad * 0.05 / (norm + 1e-12)
            p.add_(e)
            moves.append(e)
    loss = F.cross_entropy(net(images), labels)
    base.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p, e in zip(net.parameters(), moves):
            p.sub_(e)
    base.step()
""",
    "target of value alone": """
class AC(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.Tanh())
        self.pi = nn.Linear(16, 2)
        self.v = nn.Linear(16, 1)
    def forward(self, s):
        h = self.body(s)
        return (self.pi(h), self.v(h).squeeze(-1))
ac = AC()
target = copy.deepcopy(ac).requires_grad_(False)
opt = torch.optim.Adam(ac.parameters(), 0.001)
for step in range(10):
    s, n, r = (torch.randn(16, 4), torch.randn(16, 4), torch.rand(16))
    logits, v = ac(s)
    dist = torch.distributions.Categorical(logits=logits)
    a = dist.sample()
    with torch.no_grad():
        _, vn = target(n)
        y = r + 0.9 * vn
    loss = F.mse_loss(v, y) - (dist.log_prob(a) * (y - v).detach()).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for part in ("body", "v"):
            for p, q in zip(getattr(ac, part).parameters(), getattr(target, part).parameters()):
                q.lerp_(p, 0.05)
""",
    "saved in an expression": """
folder = tempfile.mkdtemp()
path = os.path.join(folder, "best.pt")
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
best = 1000000000.0
for epoch in range(5):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    value, better = (loss.item(), False)
    if value < best:
        best = value
        better = True
    torch.save(net.state_dict(), path) if better else None
net.load_state_dict(torch.load(path))
""",
    "skipped by continue": """
path = os.path.join(tempfile.mkdtemp(), "best.pt")
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
best = 1000000000.0
for epoch in range(5):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    value, before = (loss.item(), best)
    if value < best:
        best = value
    if best == before:
        continue
    torch.save(net.state_dict(), path)
net.load_state_dict(torch.load(path))
""",
    "loaded under the other name": """
path = os.path.join(tempfile.mkdtemp(), "weights.pt")
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
best, best_net = (1000000000.0, None)
for epoch in range(5):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if loss.item() < best:
        best = loss.item()
        best_net = net
        torch.save(net.state_dict(), path)
net.load_state_dict(torch.load(path))
best_net.eval()
print(best_net(images).shape)
""",
    "mean teacher shared parts": """
class Seg(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 2, 1)
        self.aux = nn.Conv2d(8, 2, 1)
    def forward(self, x):
        h = torch.relu(self.enc(x))
        return (self.head(h), self.aux(h))
net = Seg()
teacher = copy.deepcopy(net)
opt = torch.optim.Adam(net.parameters(), 0.001)
y = (images[:, 0] > 0).long()
for p in teacher.parameters():
    p.requires_grad_(False)
for _ in range(6):
    with torch.no_grad():
        soft, _ = teacher(images)
    a, b = net(images + 0.1 * torch.randn_like(images))
    loss = F.cross_entropy(a, y) + 0.4 * F.cross_entropy(b, y) + F.mse_loss(a, soft)
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for name in ("enc", "head"):
            for p, q in zip(
                getattr(net, name).parameters(), getattr(teacher, name).parameters()
            ):
                q.copy_(0.9 * q + 0.1 * p)
""",
    "swa beside best": """
folder = tempfile.mkdtemp()
net = Net()
avg = AveragedModel(net)
opt = torch.optim.SGD(net.parameters(), 0.05)
best = 1000000000.0
for epoch in range(4):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    avg.update_parameters(net)
    if loss.item() < best:
        best = loss.item()
        torch.save(net.state_dict(), os.path.join(folder, "best.pt"))
    torch.save(avg.module.state_dict(), os.path.join(folder, "average.pt"))
""",
    "wide bf16 with master weights": """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 32), nn.ReLU(), nn.Linear(32, 4)).to(
    torch.bfloat16
)
masters = [p.detach().float().clone().requires_grad_(True) for p in net.parameters()]
opt = torch.optim.SGD(masters, 0.001)
for step in range(6):
    loss = F.cross_entropy(net(images.bfloat16()).float(), labels)
    net.zero_grad()
    loss.backward()
    for m, p in zip(masters, net.parameters()):
        m.grad = p.grad.float()
    opt.step()
    with torch.no_grad():
        for m, p in zip(masters, net.parameters()):
            p.copy_(m)
""",
    "cross validation keeps the fold": """
class Fold:
    def __init__(self, k):
        self.k = k
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
        self.opt = torch.optim.SGD(self.net.parameters(), 0.1)
    def rows(self):
        return (
            [i for i in range(16) if i % 4 != self.k],
            [i for i in range(16) if i % 4 == self.k],
        )
    def run(self):
        train, test = self.rows()
        for _ in range(4):
            loss = F.cross_entropy(self.net(images[train]), labels[train])
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
        with torch.no_grad():
            return (self.net(images[test]).argmax(1) == labels[test]).float().mean().item()
folds = [Fold(k) for k in range(4)]
best, chosen = (-1, None)
for fold in folds:
    acc = fold.run()
    if acc > best:
        best, chosen = (acc, fold.net)
print(chosen(images).shape)
""",
    "reinitialized in the same object": """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.reset()
    def reset(self):
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
    def forward(self, x):
        return self.net(x)
model = Model()
best, winner = (1000000000.0, None)
for trial in range(3):
    model.reset()
    opt = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        loss = F.cross_entropy(model(images), labels)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if loss.item() < best:
        best = loss.item()
        winner = model.net
print(winner(images).shape)
""",
    "generator of trained networks": """
def trained():
    for lr in (0.01, 0.1, 0.2):
        net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
        opt = torch.optim.SGD(net.parameters(), lr)
        for _ in range(3):
            loss = F.cross_entropy(net(images), labels)
            opt.zero_grad()
            loss.backward()
            opt.step()
        yield (net, loss.item())
it = trained()
best, model = (1000000000.0, None)
while True:
    pair = next(it, None)
    if pair is None:
        break
    net, value = pair
    if value < best:
        best, model = (value, net)
print(model(images).shape)
""",
    "average of best states": """
folder = tempfile.mkdtemp()
class Trainer:
    def __init__(self):
        self.net = Net()
        self.opt = torch.optim.SGD(self.net.parameters(), 0.05)
        self.best = 1000000000.0
    def save(self, name):
        torch.save(self.net.state_dict(), os.path.join(folder, name))
    def fit(self, n):
        for epoch in range(n):
            loss = F.cross_entropy(self.net(images), labels)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            score = loss.item()
            if score < self.best:
                self.best = score
                self.save("best.pt")
            self.save("last.pt")
Trainer().fit(4)
""",
    "best so far curve": """
folder = tempfile.mkdtemp()
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
best, curve = (1000000000.0, [])
for epoch in range(4):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    value = loss.item()
    if value < best:
        best = value
    curve.append(best)
    torch.save(torch.tensor(curve), os.path.join(folder, "best_curve.pt"))
""",
    "config of the best run": """
import json, os, tempfile
folder = tempfile.mkdtemp()
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05)
best, info = (1000000000.0, {})
for epoch in range(4):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    value = loss.item()
    if value < best:
        best = value
        info["epoch"] = epoch
        info["state"] = {k: v.clone() for k, v in net.state_dict().items()}
    torch.save(info, os.path.join(folder, "best.pt"))
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "best_file_is_overwritten": HEALTHY["continue without improvement"]
    .replace("        continue\n", "")
    .replace('"best.pt"))\nnet', '"best.pt"))  # cause\nnet'),
}
KINDS = {
    "best_file_is_overwritten": "state/best_state_not_copied",
}


class TestLookAlikes(ProgramChecks):
    pass
