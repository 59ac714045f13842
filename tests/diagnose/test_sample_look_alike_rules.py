"""Programs whose images, boxes, points and sequences look as if they did not fit together."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import copy
import math

from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, TensorDataset
"""
HEALTHY = {
    "two views and decoder": """
class Views(Dataset):
    def __init__(self):
        self.x = torch.rand(16, 3, 16, 16)
    def __len__(self):
        return 16
    def view(self, x):
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
        i, j = torch.randint(0, 5, (2,)).tolist()
        return x[:, i : i + 12, j : j + 12]
    def __getitem__(self, i):
        return (self.view(self.x[i]), self.view(self.x[i]))
enc = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
dec = nn.Conv2d(8, 3, 3, padding=1)
proj = nn.Linear(8, 8)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters(), *proj.parameters()], 0.001)
for epoch in range(2):
    for a, b in DataLoader(Views(), 8, shuffle=True):
        ha, hb = (enc(a), enc(b))
        za, zb = (F.normalize(proj(h.mean((2, 3))), dim=1) for h in (ha, hb))
        s = za @ zb.T / 0.2
        loss = (
            F.cross_entropy(s, torch.arange(len(s)))
            + F.mse_loss(dec(ha), a)
            + F.mse_loss(dec(hb), b)
        )
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "cyclegan": """
class Unpaired(Dataset):
    def __init__(self):
        self.a, self.b = (torch.rand(12, 3, 12, 12), torch.rand(12, 3, 12, 12))
    def __len__(self):
        return 12
    def flip(self, x):
        return x.flip(-1) if torch.rand(()) < 0.5 else x
    def __getitem__(self, i):
        return (self.flip(self.a[i]) * 2 - 1, self.flip(self.b[i % len(self.b)]) * 2 - 1)
def gen():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1), nn.Tanh()
    )
def dis():
    return nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 4, 2, 1))
ab, ba, da, db = (gen(), gen(), dis(), dis())
og = torch.optim.Adam([*ab.parameters(), *ba.parameters()], 0.0002, (0.5, 0.999))
od = torch.optim.Adam([*da.parameters(), *db.parameters()], 0.0002, (0.5, 0.999))
for epoch in range(2):
    for a, b in DataLoader(Unpaired(), 4, shuffle=True):
        fb, fa = (ab(a), ba(b))
        pa, pb = (da(fa), db(fb))
        g = (
            F.mse_loss(pa, torch.ones_like(pa))
            + F.mse_loss(pb, torch.ones_like(pb))
            + 10 * (F.l1_loss(ba(fb), a) + F.l1_loss(ab(fa), b))
            + 5 * (F.l1_loss(ba(a), a) + F.l1_loss(ab(b), b))
        )
        og.zero_grad()
        g.backward()
        og.step()
        d = 0
        for net, real, fake in ((da, a, fa), (db, b, fb)):
            r, f = (net(real), net(fake.detach()))
            d = d + F.mse_loss(r, torch.ones_like(r)) + F.mse_loss(f, torch.zeros_like(f))
        od.zero_grad()
        d.backward()
        od.step()
""",
    "reference image beside input": """
class Style(Dataset):
    # A sharp image, and the same scene from another side as a reference.
    def __init__(self):
        self.x = torch.rand(12, 3, 16, 16)
    def __len__(self):
        return 12
    def flip(self, x):
        return x.flip(-1) if torch.rand(()) < 0.5 else x
    def __getitem__(self, i):
        return (self.flip(self.x[i]), self.flip(self.x[i]))
net = nn.Conv2d(6, 3, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), 0.001)
for sharp, ref in DataLoader(Style(), 4, shuffle=True):
    blurred = F.interpolate(F.avg_pool2d(sharp, 2), scale_factor=2)
    loss = F.l1_loss(net(torch.cat([blurred, ref], 1)), sharp)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "cross view completion": """
class Two(Dataset):
    def __init__(self):
        self.x = torch.rand(12, 3, 20, 20)
    def __len__(self):
        return 12
    def crop(self, x):
        i, j = torch.randint(0, 5, (2,)).tolist()
        return x[:, i : i + 16, j : j + 16]
    def __getitem__(self, i):
        return (self.crop(self.x[i]), self.crop(self.x[i]))
net = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
opt = torch.optim.Adam(net.parameters(), 0.001)
for a, b in DataLoader(Two(), 4, shuffle=True):
    keep = (
        (torch.rand(len(a), 1, 4, 4) > 0.6)
        .float()
        .repeat_interleave(4, 2)
        .repeat_interleave(4, 3)
    )
    out = net(torch.cat([a * keep, b], 1))
    loss = ((out - a) ** 2 * (1 - keep)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "boxes of the original": """
class Boxes(Dataset):
    # Returns the resized image, the boxes of the original image and its size.
    def __init__(self):
        self.x = torch.rand(12, 3, 64, 64)
        c = torch.rand(12, 2) * 40
        self.b = torch.cat([c, c + 5 + torch.rand(12, 2) * 18], 1)
    def __len__(self):
        return 12
    def __getitem__(self, i):
        image = F.interpolate(self.x[i][None], size=(16, 16), mode="bilinear")[0]
        return (image, self.b[i][None], torch.tensor([64.0, 64.0]))
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, 2, 1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(4),
    nn.Flatten(),
    nn.Linear(128, 4),
)
opt = torch.optim.Adam(net.parameters(), 0.001)
for epoch in range(2):
    for x, boxes, size in DataLoader(Boxes(), 4, shuffle=True):
        target = boxes[:, 0] / size.repeat(1, 2)
        loss = F.l1_loss(net(x).sigmoid(), target)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "boxes divided by constant": """
ORIGINAL = 64
class Boxes(Dataset):
    def __init__(self):
        self.x = torch.rand(12, 3, 64, 64)
        c = torch.rand(12, 2) * 40
        self.b = torch.cat([c, c + 5 + torch.rand(12, 2) * 18], 1)
    def __len__(self):
        return 12
    def __getitem__(self, i):
        return (F.interpolate(self.x[i][None], size=(16, 16))[0], self.b[i][None])
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, 2, 1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(4),
    nn.Flatten(),
    nn.Linear(128, 4),
)
opt = torch.optim.Adam(net.parameters(), 0.001)
for epoch in range(2):
    for x, boxes in DataLoader(Boxes(), 4, shuffle=True):
        target = boxes[:, 0] / ORIGINAL
        loss = F.l1_loss(net(x).sigmoid(), target)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "test time transposes": """
x = torch.rand(16, 3, 12, 12)
y = (x.mean(1) > 0.5).long()
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1))
opt = torch.optim.Adam(net.parameters(), 0.01)
for epoch in range(3):
    for a, b in DataLoader(TensorDataset(x, y), 8, shuffle=True):
        loss = F.cross_entropy(net(a), b)
        opt.zero_grad()
        loss.backward()
        opt.step()
net.eval()
with torch.no_grad():
    plain = net(x)
    turned = net(x.transpose(2, 3)).transpose(2, 3)
    swapped = net(x.flip(1))
    dimmed = net(0.5 * x)
print(
    ((plain + turned).argmax(1) == y).float().mean(),
    (swapped.argmax(1) == y).float().mean(),
    (dimmed.argmax(1) == y).float().mean(),
)
""",
    "polygons without order": """
low, rows = (0, 12)
class Cells(Dataset):
    # Centers of cells in any order; an image is flipped from left to right.
    def __init__(self):
        self.x = torch.rand(12, 1, 16, 16)
        self.p = torch.rand(12, 6, 2) * 15
    def __len__(self):
        return rows
    def __getitem__(self, i):
        x, p = (self.x[i], self.p[i].clone())
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
            p[:, 0] = 15 - p[:, 0]
        return (x, p)
def chamfer(a, b):
    d = torch.cdist(a, b)
    return d.min(1).values.mean() + d.min(2).values.mean()
net = nn.Sequential(nn.Flatten(), nn.Linear(256, 12))
opt = torch.optim.Adam(net.parameters(), 0.01)
for epoch in range(2):
    for x, p in DataLoader(Cells(), 4, shuffle=True):
        loss = chamfer(net(x).view(-1, 6, 2), p)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "contour of an organ": """
left_pad = right_pad = 2
class Contours(Dataset):
    def __init__(self):
        self.x = torch.rand(12, 1, 16, 16)
        self.p = torch.rand(12, 6, 2) * 15
    def __len__(self):
        return 12
    def __getitem__(self, i):
        x, p = (F.pad(self.x[i], (left_pad, right_pad, 0, 0)), self.p[i].clone())
        p[:, 0] += left_pad
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
            p[:, 0] = 19 - p[:, 0]
        return (x, p)
def chamfer(a, b):
    d = torch.cdist(a, b)
    return d.min(1).values.mean() + d.min(2).values.mean()
net = nn.Sequential(nn.Flatten(), nn.Linear(320, 12))
opt = torch.optim.Adam(net.parameters(), 0.01)
for epoch in range(2):
    for x, p in DataLoader(Contours(), 4, shuffle=True):
        loss = chamfer(net(x).view(-1, 6, 2), p)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "time first collate": """
data = [(torch.randn(7, 3), i % 2) for i in range(24)]
def collate(batch):
    xs, ys = zip(*batch)
    return (pad_sequence(xs), torch.tensor(ys))
loader = DataLoader(data, 5, shuffle=True, collate_fn=collate)
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 8)
        self.o = nn.Linear(8, 2)
    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return self.o(h[-1])
net = Tagger()
opt = torch.optim.Adam(net.parameters(), 0.01)
for epoch in range(2):
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "transposed in the loop": """
ds = TensorDataset(torch.randn(30, 7, 3), torch.randint(0, 2, (30,)))
class Net2(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 8)
        self.o = nn.Linear(8, 2)
    def forward(self, x):
        out, _ = self.rnn(x)
        return self.o(out[-1])
net = Net2()
opt = torch.optim.Adam(net.parameters(), 0.01)
for x, y in DataLoader(ds, 5, shuffle=True):
    loss = F.cross_entropy(net(x.transpose(0, 1)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "crnn columns": """
ds = TensorDataset(torch.randn(30, 1, 8, 16), torch.randint(1, 5, (30, 3)))
class CRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 16))
        )
        self.rnn = nn.LSTM(8, 8, bidirectional=True)
        self.o = nn.Linear(16, 6)
    def forward(self, x):
        f = self.c(x).squeeze(2).permute(2, 0, 1)
        out, _ = self.rnn(f)
        return self.o(out).log_softmax(-1)
net = CRNN()
opt = torch.optim.Adam(net.parameters(), 0.01)
for x, y in DataLoader(ds, 6, shuffle=True):
    n = len(x)
    loss = F.ctc_loss(net(x), y, torch.full((n,), 16), torch.full((n,), 3))
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "packed by sum": """
rnn = nn.GRU(3, 8, batch_first=True, bidirectional=True)
out = nn.Linear(16, 2)
opt = torch.optim.Adam([*rnn.parameters(), *out.parameters()], 0.01)
x = torch.randn(6, 9, 3)
n = torch.tensor([9, 7, 7, 5, 4, 2])
y = torch.randint(0, 2, (6,))
for _ in range(4):
    o, _ = pad_packed_sequence(
        rnn(pack_padded_sequence(x, n, batch_first=True))[0], batch_first=True
    )
    mean = o.mean(1) * o.size(1) / n[:, None]
    last = o[torch.arange(6), n - 1]
    first = o[:, 0]
    loss = F.cross_entropy(out(mean + last + first), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "mean times ratio first": """
class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 8, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.o = nn.Linear(8, 2)
    def forward(self, x, n):
        o, _ = pad_packed_sequence(
            self.rnn(pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False))[0],
            batch_first=True,
        )
        return self.o(self.norm(o.mean(dim=1)))
net = Pool()
opt = torch.optim.Adam(net.parameters(), 0.01)
x = torch.randn(6, 9, 3)
n = torch.tensor([9, 3, 7, 5, 4, 2])
y = torch.randint(0, 2, (6,))
for _ in range(4):
    loss = F.cross_entropy(net(x, n), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "transposed grid on purpose": """
x = torch.rand(8, 1, 12, 12)
net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(576, 2))
opt = torch.optim.Adam(net.parameters(), 0.01)
y = torch.randint(0, 2, (8,))
r = torch.linspace(0.05, 1, 12)[:, None]
t = torch.linspace(0, math.pi / 2, 12)[None]
polar = torch.stack([r * t.cos(), r * t.sin()], -1)[None].expand(8, -1, -1, -1)
theta = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])[None].expand(8, -1, -1)
quarter = F.affine_grid(theta, (8, 1, 12, 12), align_corners=False)
for _ in range(3):
    loss = F.cross_entropy(
        net(F.grid_sample(x, polar, align_corners=False))
        + net(F.grid_sample(x, quarter, align_corners=False)),
        y,
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "stereo names": """
FOLDERS = {"left_image": "l", "right_image": "r"}
class Stars(Dataset):
    def __init__(self):
        self.x = torch.rand(12, 1, 16, 16)
        self.p = torch.rand(12, 6, 2) * 15
    def __len__(self):
        return 12
    def __getitem__(self, i):
        x, p = (self.x[i], self.p[i].clone())
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
            p[:, 0] = 15 - p[:, 0]
        return (x, p)
net = nn.Sequential(nn.Flatten(), nn.Linear(256, 12))
opt = torch.optim.Adam(net.parameters(), 0.01)
for x, p in DataLoader(Stars(), 4, shuffle=True):
    d = torch.cdist(net(x).view(-1, 6, 2), p)
    loss = d.min(1).values.mean() + d.min(2).values.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "equal length time first": """
data = [(torch.randn(6, 3), torch.randint(0, 2, (6,))) for i in range(24)]
def collate(batch):
    xs, ys = zip(*batch)
    return (torch.stack(xs, 1), torch.stack(ys, 1))
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(3, 8, bidirectional=True)
        self.o = nn.Linear(16, 2)
    def forward(self, x):
        out, _ = self.rnn(x)
        return self.o(out)
net = Tagger()
opt = torch.optim.Adam(net.parameters(), 0.01)
for x, y in DataLoader(data, 6, shuffle=True, collate_fn=collate):
    loss = F.cross_entropy(net(x).flatten(0, 1), y.flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "memory updated by a cell": """
x = torch.randn(64, 6)
y = torch.randint(0, 4, (64,))
class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(6, 8)
        self.cell = nn.GRUCell(8, 8)
        self.slots = torch.zeros(4, 8)
        self.o = nn.Linear(8, 8)
    def forward(self, x):
        h = torch.relu(self.f(x))
        att = (h @ self.slots.T).softmax(1)
        summary = att.T @ h / (att.sum(0)[:, None] + 1e-06)
        new = self.cell(summary, self.slots)
        self.slots = new.detach()
        return self.o(h) @ new.T
net = Memory()
opt = torch.optim.Adam(net.parameters(), 0.01)
for epoch in range(2):
    for xb, yb in DataLoader(TensorDataset(x, y), 8, shuffle=True):
        loss = F.cross_entropy(net(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "lower right crop": """
x = torch.rand(8, 1, 12, 12)
y = torch.randint(0, 2, (8,))
net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
opt = torch.optim.Adam(net.parameters(), 0.01)
def window(x, top, left, bottom, right):
    ys, xs = (torch.linspace(top, bottom, 6), torch.linspace(left, right, 6))
    gy, gx = torch.meshgrid(ys, xs, indexing="ij")
    grid = torch.stack([gx, gy], -1).expand(len(x), -1, -1, -1)
    return F.grid_sample(x, grid, align_corners=True)
for _ in range(4):
    views = [window(x, a, b, a + 1, b + 1) for a in (-1, 0) for b in (-1, 0)]
    loss = sum((F.cross_entropy(net(v), y) for v in views))
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "future frames of a mirrored clip": """
class Clips(Dataset):
    def __init__(self):
        self.x = torch.rand(12, 2, 1, 16, 16)
    def __len__(self):
        return 12
    def __getitem__(self, i):
        c = self.x[i]
        if torch.rand(()) < 0.5:
            c = c.flip(-1)
        if torch.rand(()) < 0.5:
            c = c.flip(0)
        return (c[0], c[1])
net = nn.Conv2d(1, 1, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), 0.001)
for a, b in DataLoader(Clips(), 4, shuffle=True):
    loss = F.mse_loss(net(a), b)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "gradient maps of scaled inputs": """
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(8, 2),
)
opt = torch.optim.Adam(net.parameters(), 0.01)
x = torch.rand(16, 3, 12, 12)
y = (x[:, 0].mean((1, 2)) > 0.5).long()
for _ in range(4):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
net.eval()
total = torch.zeros_like(x)
for k in range(1, 4):
    part = (x * k / 3).requires_grad_(True)
    out = net(part)[:, 0].sum()
    total += torch.autograd.grad(out, part)[0]
half = net(0.5 * x).softmax(1)
print((total * x).mean(), half.mean())
""",
    "evaluated on gray and bgr copies": """
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(8, 2),
)
opt = torch.optim.Adam(net.parameters(), 0.01)
x = torch.rand(16, 3, 12, 12)
y = (x[:, 0].mean((1, 2)) > 0.5).long()
for _ in range(4):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
net.eval()
@torch.no_grad()
def accuracy(change):
    return (net(change(x)).argmax(1) == y).float().mean().item()
for change in (
    lambda t: t,
    lambda t: t.flip(1),
    lambda t: t.mean(1, keepdim=True).expand(-1, 3, -1, -1),
    lambda t: 0.7 * t,
    lambda t: t.transpose(2, 3),
):
    print(accuracy(change))
""",
    "byol views and online targets": """
class Views(Dataset):
    def __init__(self):
        self.x = torch.rand(16, 3, 14, 14)
    def __len__(self):
        return 16
    def view(self, x):
        if torch.rand(()) < 0.5:
            x = x.flip(2)
        return (x + 0.05 * torch.randn_like(x)).clamp(0, 1)
    def __getitem__(self, i):
        return (self.view(self.x[i]), self.view(self.x[i]))
class Enc(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.p = nn.Linear(8, 8)
    def forward(self, x):
        return F.normalize(self.p(self.c(x)), dim=1)
online = Enc()
target = copy.deepcopy(online).requires_grad_(False)
pred = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
opt = torch.optim.Adam([*online.parameters(), *pred.parameters()], 0.001)
for a, b in DataLoader(Views(), 8, shuffle=True):
    with torch.no_grad():
        ta, tb = (target(a), target(b))
    loss = 4 - 2 * (
        F.cosine_similarity(pred(online(a)), tb).mean()
        + F.cosine_similarity(pred(online(b)), ta).mean()
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for p, q in zip(online.parameters(), target.parameters()):
            q.mul_(0.9).add_(p, alpha=0.1)
        for p, q in zip(online.buffers(), target.buffers()):
            q.copy_(p)
""",
    "spatial transformer learned": """
class Stn(nn.Module):
    def __init__(self):
        super().__init__()
        self.loc = nn.Linear(144, 6)
        nn.init.zeros_(self.loc.weight)
        self.loc.bias.data = torch.tensor([0.0, 1, 0, 1, 0, 0])
        self.o = nn.Linear(144, 2)
    def forward(self, x):
        g = F.affine_grid(self.loc(x.flatten(1)).view(-1, 2, 3), x.shape, align_corners=False)
        return self.o(F.grid_sample(x, g, align_corners=False).flatten(1))
net = Stn()
opt = torch.optim.Adam(net.parameters(), 0.001)
x = torch.rand(8, 1, 12, 12)
y = torch.randint(0, 2, (8,))
for _ in range(4):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "points sampled from pixels": """
def sample(x, p):
    # p are pixels (x, y).
    h, w = x.shape[2:]
    g = 2 * p / torch.tensor([w - 1.0, h - 1.0]) - 1
    return F.grid_sample(x, g[:, None], align_corners=True)[:, :, 0]
net = nn.Conv2d(1, 4, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), 0.01)
x = torch.rand(4, 1, 12, 16)
p = torch.rand(4, 9, 2) * torch.tensor([15.0, 11.0])
for _ in range(4):
    loss = sample(net(x), p).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "keypoints of one class with symmetric places": """
class Corners(Dataset):
    # Corners in reading order: after a flip they are sorted again.
    def __init__(self):
        self.x = torch.rand(12, 1, 16, 16)
        self.p = torch.tensor([[3.0, 3], [12, 3], [3, 12], [12, 12]]).repeat(
            12, 1, 1
        ) + torch.rand(12, 4, 2)
    def __len__(self):
        return 12
    def __getitem__(self, i):
        x, p = (self.x[i], self.p[i].clone())
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
            p[:, 0] = 15 - p[:, 0]
            p = p[[1, 0, 3, 2]]
        return (x, p)
net = nn.Sequential(nn.Flatten(), nn.Linear(256, 8))
opt = torch.optim.Adam(net.parameters(), 0.01)
NAMES = ["left top", "right top", "left bottom", "right bottom"]
for x, p in DataLoader(Corners(), 4, shuffle=True):
    loss = F.l1_loss(net(x).view(-1, 4, 2), p)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "boxes_outside_of_image": HEALTHY["boxes divided by constant"]
    .replace(" / ORIGINAL", "")
    .replace("net(x).sigmoid()", "net(x)")
    .replace("self.b[i][None])\n", "self.b[i][None])  # cause\n"),
}
KINDS = {
    "boxes_outside_of_image": "detection/invalid_boxes",
}


class TestLookAlikes(ProgramChecks):
    pass
