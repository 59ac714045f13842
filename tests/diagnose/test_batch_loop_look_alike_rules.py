"""Programs that look like mistakes of loops over batches."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import random
import time

from torch import optim
from torch.utils.data import DataLoader, Subset, TensorDataset, random_split
"""
HEALTHY = {
    "per head losses of last batch": """
heads = nn.ModuleList(nn.Linear(8, 3) for _ in range(3))
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
loader = DataLoader(TensorDataset(x, y), 16, shuffle=True)
opt = optim.SGD(heads.parameters(), 0.1)
for epoch in range(2):
    for x, y in loader:
        values = []
        opt.zero_grad()
        for head in heads:
            loss = F.cross_entropy(head(x), y)
            loss.backward()
            values.append(loss.item())
        opt.step()
    print(epoch, values)
""",
    "accum reported": """
net = nn.Linear(8, 3)
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
loader = DataLoader(TensorDataset(x, y), 32, shuffle=True)
opt = optim.SGD(net.parameters(), 0.1)
for epoch in range(3):
    for x, y in loader:
        batch_loss = 0.0
        opt.zero_grad()
        for cx, cy in zip(x.chunk(4), y.chunk(4)):
            loss = F.cross_entropy(net(cx), cy) / 4
            loss.backward()
            batch_loss += loss.item()
        opt.step()
    print(f"epoch {epoch}: last loss {batch_loss:.3f}")
""",
    "first batch normalized": """
def example(loader):
    for images, labels in loader:
        images -= images.mean()
        images /= images.std()
        return images, labels
net = nn.Sequential(nn.Flatten(), nn.Linear(27, 2))
loader = DataLoader(TensorDataset(torch.rand(40, 3, 3, 3), torch.randint(0, 2, (40,))), 8)
images, labels = example(loader)
opt = optim.SGD(net.parameters(), 0.1)
for step in range(10):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(loss.item())
""",
    "one step function": """
class Trainer:
    def __init__(self):
        self.net = nn.Linear(8, 2)
        self.opt = optim.SGD(self.net.parameters(), 0.1)
        self.loader = DataLoader(
            TensorDataset(torch.randn(40, 8), torch.randint(0, 2, (40,))), 8, shuffle=True
        )
        self.steps = 0
    def step(self):
        for x, y in self.loader:
            loss = F.cross_entropy(self.net(x), y)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            self.steps += 1
            return loss.item()
t = Trainer()
for _ in range(10):
    t.step()
""",
    "timing benchmark": """
import time
net = nn.Linear(8, 2)
loader = DataLoader(TensorDataset(torch.randn(40, 8)), 8)
start = time.time()
with torch.no_grad():
    for (x,) in loader:
        out = net(x)
print("throughput", 40 / (time.time() - start), out.shape)
""",
    "reservoir last": """
net = nn.GRU(4, 8, batch_first=True)
head = nn.Linear(8, 1)
loader = DataLoader(TensorDataset(torch.randn(40, 5, 4), torch.randn(40, 1)), 8)
opt = optim.SGD([*net.parameters(), *head.parameters()], 0.1)
for epoch in range(2):
    for x, y in loader:
        out, h = net(x)
        loss = F.mse_loss(head(h[-1]), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    for x, y in loader:
        _, h = net(x)
        pred = head(h[-1])
print("example", pred[0].item(), y[0].item())
""",
    "per batch print": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
loader = DataLoader(
    TensorDataset(torch.randn(64, 8), torch.randint(0, 2, (64,))), 8, shuffle=True
)
for epoch in range(2):
    for x, y in loader:
        correct = 0
        out = net(x)
        loss = F.cross_entropy(out, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        correct += (out.argmax(1) == y).sum().item()
    print(f"{epoch}: {correct}/{len(y)} right in the last batch, loss {loss.item():.3f}")
""",
    "a probe of all samples": """
base = TensorDataset(torch.randn(100, 8), torch.randint(0, 2, (100,)))
train, val = random_split(base, [80, 20])
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
probe = Subset(base, random.sample(range(100), 30))
for epoch in range(3):
    for x, y in DataLoader(train, 10, shuffle=True):
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        typical = sum(F.cross_entropy(net(x), y).item() for x, y in DataLoader(probe, 10))
        acc = sum((net(x).argmax(1) == y).sum().item() for x, y in DataLoader(val, 10))
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "begins_in_each_batch": HEALTHY["per batch print"]
    .replace("correct = 0", "correct = 0  # cause")
    .replace("/{len(y)} right in the last batch, loss {loss.item():.3f}", " right"),
}
KINDS = {
    "begins_in_each_batch": "loss/broadcast_metric",
}


class TestLookAlikes(ProgramChecks):
    pass
