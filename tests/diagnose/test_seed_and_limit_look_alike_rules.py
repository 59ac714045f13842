"""Programs that look like mistakes of seeds and best values."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import copy
import random
import tempfile

from torch import optim
from torch.utils.data import DataLoader, Dataset
"""
HEALTHY = {
    "permuted task": """
class Permuted(Dataset):
    def __init__(self, x, y, task):
        self.x, self.y, self.task = x, y, task
    def __len__(self):
        return len(self.x)
    def __getitem__(self, i):
        torch.manual_seed(self.task)
        perm = torch.randperm(self.x.shape[1])
        return self.x[i][perm], self.y[i]
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
for task in range(3):
    for x, y in DataLoader(
        Permuted(torch.randn(40, 8), torch.randint(0, 2, (40,)), task), 8, shuffle=True
    ):
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "eval seed only": """
class Data(Dataset):
    def __init__(self, x, y, train):
        self.x, self.y, self.train = x, y, train
    def __len__(self):
        return len(self.x)
    def __getitem__(self, i):
        if not self.train:
            random.seed(0)
        shift = random.randint(0, 3)
        return self.x[i].roll(shift), self.y[i]
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
train, val = (Data(torch.randn(40, 8), torch.randint(0, 2, (40,)), t) for t in (True, False))
for epoch in range(2):
    for x, y in DataLoader(train, 8, shuffle=True):
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        n = sum((net(x).argmax(1) == y).sum().item() for x, y in DataLoader(val, 8))
    print(n / 40)
""",
    "multiscale per epoch": """
class Data(Dataset):
    def __init__(self, x, y):
        self.x, self.y, self.epoch = x, y, 0
    def set_epoch(self, epoch):
        self.epoch = epoch
    def __len__(self):
        return len(self.x)
    def __getitem__(self, i):
        random.seed(self.epoch)
        size = random.choice([6, 8, 10])
        img = F.interpolate(self.x[i][None], size=(size, size))[0]
        return img, self.y[i]
net = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
)
opt = optim.SGD(net.parameters(), 0.1)
data = Data(torch.randn(40, 1, 8, 8), torch.randint(0, 2, (40,)))
for epoch in range(2):
    data.set_epoch(epoch)
    for x, y in DataLoader(data, 8, shuffle=True):
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "random projection same": """
class Data(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __len__(self):
        return len(self.x)
    def __getitem__(self, i):
        torch.manual_seed(1234)
        projection = torch.randn(8, 4)
        return self.x[i] @ projection, self.y[i]
net = nn.Linear(4, 2)
opt = optim.SGD(net.parameters(), 0.1)
for epoch in range(2):
    for x, y in DataLoader(
        Data(torch.randn(40, 8), torch.randint(0, 2, (40,))), 8, shuffle=True
    ):
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "threshold snapshots": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
x = torch.randn(64, 8)
y = (x[:, 0] > 0).long()
min_accuracy = 0.6
snapshots = []
for epoch in range(10):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    accuracy = (net(x).argmax(1) == y).float().mean().item()
    if accuracy > min_accuracy:
        snapshots.append(copy.deepcopy(net))
print(len(snapshots))
""",
    "save and stop": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
x = torch.randn(64, 8)
y = (x[:, 0] > 0).long()
target_loss = 0.3
folder = tempfile.mkdtemp()
for epoch in range(40):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if loss.item() < target_loss:
        torch.save(net.state_dict(), (folder + "/" + "net.pt"))
        break
""",
    "save above threshold every epoch": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
x = torch.randn(64, 8)
y = (x[:, 0] > 0).long()
save_from = 5
folder = tempfile.mkdtemp()
for epoch in range(10):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch >= save_from:
        torch.save(net.state_dict(), (folder + "/" + f"net{epoch}.pt"))
""",
    "max loss guard": """
net = nn.Linear(8, 2)
opt = optim.SGD(net.parameters(), 0.1)
x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
max_norm = 100.0
good = None
for epoch in range(8):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    norm = sum(p.norm().item() for p in net.parameters())
    if norm < max_norm:
        good = copy.deepcopy(net.state_dict())
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "best_is_never_set": HEALTHY["threshold snapshots"]
    .replace("min_accuracy:", "min_accuracy:  # cause")
    .replace("min_accuracy", "best"),
}
KINDS = {
    "best_is_never_set": "state/best_state_not_copied",
}


class TestLookAlikes(ProgramChecks):
    pass
