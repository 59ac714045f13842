"""Programs that keep, copy and change networks, and look as if they lost what they keep."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import copy
import io
import os
import pathlib
import tempfile
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
