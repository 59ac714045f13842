"""Programs that look like windows with their targets, and targets that are corrupted too."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import math

from torch import optim
from torch.utils.data import DataLoader, Dataset, TensorDataset
"""
HEALTHY = {
    "periodic windows": """
class Windows(Dataset):
    def __init__(self):
        self.s = (torch.arange(200) % 5).float()
    def __len__(self):
        return 180
    def __getitem__(self, i):
        return self.s[i : i + 10], self.s[i + 10]
net = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
opt = optim.Adam(net.parameters(), 1e-2)
for x, y in DataLoader(Windows(), 20, shuffle=True):
    loss = F.mse_loss(net(x).squeeze(1), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "sliced in loop": """
class Windows(Dataset):
    def __init__(self):
        self.s = torch.randn(200).cumsum(0)
    def __len__(self):
        return 180
    def __getitem__(self, i):
        w = self.s[i : i + 11]
        return w, w[-1]
net = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
opt = optim.Adam(net.parameters(), 1e-2)
for x, y in DataLoader(Windows(), 20, shuffle=True):
    loss = F.mse_loss(net(x[:, :-1]).squeeze(1), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "sliced in forward": """
class Windows(Dataset):
    def __init__(self):
        self.s = torch.randn(200).cumsum(0)
    def __len__(self):
        return 180
    def __getitem__(self, i):
        w = self.s[i : i + 11]
        return w, w[-1:]
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
    def forward(self, window):
        past = window[:, :-1]
        return self.f(past)
net = Net()
opt = optim.Adam(net.parameters(), 1e-2)
for x, y in DataLoader(Windows(), 20, shuffle=True):
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "masked in loop": """
class Windows(Dataset):
    def __init__(self):
        self.s = torch.randn(200, 1).cumsum(0)
    def __len__(self):
        return 180
    def __getitem__(self, i):
        w = self.s[i : i + 11]
        return w.clone(), w[-1].clone()
net = nn.GRU(1, 8, batch_first=True)
head = nn.Linear(8, 1)
opt = optim.Adam([*net.parameters(), *head.parameters()], 1e-2)
for x, y in DataLoader(Windows(), 20, shuffle=True):
    x[:, -1] = 0
    loss = F.mse_loss(head(net(x)[1][0]), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "denoise last value": """
class Windows(Dataset):
    def __init__(self):
        self.s = torch.randn(200).cumsum(0)
    def __len__(self):
        return 180
    def __getitem__(self, i):
        w = self.s[i : i + 11]
        return w, w[-1:]
net = nn.Sequential(nn.Linear(11, 16), nn.ReLU(), nn.Linear(16, 1))
opt = optim.Adam(net.parameters(), 1e-2)
for x, y in DataLoader(Windows(), 20, shuffle=True):
    noisy = x + 0.3 * torch.randn_like(x)
    loss = F.mse_loss(net(noisy), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "seasonal naive feature": """
class Windows(Dataset):
    def __init__(self):
        self.s = torch.sin(torch.arange(24) * 2 * math.pi / 24).repeat(10)
    def __len__(self):
        return 180
    def __getitem__(self, i):
        return self.s[i : i + 48].unsqueeze(0), self.s[i + 48 : i + 50]
net = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 2))
opt = optim.Adam(net.parameters(), 1e-2)
for x, y in DataLoader(Windows(), 20, shuffle=True):
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "ae noise augmentation both": """
ae = nn.Sequential(nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 8))
opt = optim.Adam(ae.parameters(), 1e-2)
for (batch,) in DataLoader(TensorDataset(torch.rand(64, 8)), 16):
    batch.add_(0.01 * torch.randn_like(batch))
    inputs = batch
    targets = batch
    loss = F.mse_loss(ae(inputs), targets)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "ae flip augmentation both": """
ae = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 1, 3, padding=1))
opt = optim.Adam(ae.parameters(), 1e-2)
for (batch,) in DataLoader(TensorDataset(torch.rand(64, 1, 6, 6)), 16):
    target = batch
    flip = torch.rand(len(batch)) < 0.5
    batch[flip] = batch[flip].flip(-1)
    loss = F.mse_loss(ae(batch), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "vae binarize inplace": """
ae = nn.Sequential(nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 8))
opt = optim.Adam(ae.parameters(), 1e-2)
for (batch,) in DataLoader(TensorDataset(torch.rand(64, 8)), 16):
    x = batch
    x[:] = torch.bernoulli(x)
    target = x
    loss = F.binary_cross_entropy_with_logits(ae(batch), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "target_inside_window": HEALTHY["denoise last value"]
    .replace(" + 0.3 * torch.randn_like(x)", "")
    .replace("w[-1:]", "w[-1:]  # cause"),
}
KINDS = {
    "target_inside_window": "data",
}


class TestLookAlikes(ProgramChecks):
    pass
