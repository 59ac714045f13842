"""Noise that a network learns to remove, and windows of series that contain their target."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
DIFFUSION = """
T = 100
betas = torch.linspace(1e-4, 0.02, T)
alphas = 1 - betas
bars = torch.cumprod(alphas, 0)
roots, rests = bars.sqrt(), (1 - bars).sqrt()

class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 8)
        self.first, self.last = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x, t):
        return self.last(F.silu(self.first(x) + self.time(t)[:, :, None, None]))

net = Denoiser()
optimizer = torch.optim.Adam(net.parameters(), 2e-3)
data = torch.rand(64, 1, 8, 8) * 2 - 1

def number(schedule, t):
    return schedule[t].view(-1, 1, 1, 1)

def noisy(x, t, noise):
    {mixed}

for x in data.split(16):
    t = torch.randint(0, T, (len(x),))
    noise = torch.randn_like(x)
    {step}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
SERIES = """
from torch.utils.data import DataLoader, Dataset, TensorDataset

series = torch.sin(torch.arange(200) * 0.2) + 0.1 * torch.randn(200)
L = 16

class Windows(Dataset):
    def __init__(self, series):
        self.series = series

    def __len__(self):
        return 150

    def __getitem__(self, i):
        {item}

{data}
head = nn.Linear(4 * {size}, {out})
net = nn.Sequential(nn.Conv1d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), head)
optimizer = torch.optim.Adam(net.parameters(), 1e-3)
for x, y in DataLoader(data, 25, shuffle=True):{loader}
    optimizer.zero_grad()
    F.mse_loss(net(x.view(len(x), 1, -1)), y.view(len(y), -1)).backward()
    optimizer.step()
"""
RESTORING = """
net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
optimizer = torch.optim.Adam(net.parameters(), 1e-3)

def corrupt(x):
    x[torch.rand_like(x) < 0.5] = 0{inside}
    return x

for image in torch.rand(64, 1, 8, 8).split(16):
    {step}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
STEP = "x_t = noisy(x, t, noise)\n    loss = F.mse_loss(net(x_t, t), noise)"
MIXED = "return number(roots, t) * x + number(rests, t) * noise"
SIGMAS = "sigma = torch.rand(len(x), 1, 1, 1)"


def diffusion(mixed: str = MIXED, step: str = STEP) -> str:
    return DIFFUSION.format(mixed=mixed, step=step)


def series(item: str, data: str = "data = Windows(series)", **parts: object) -> str:
    usual = {"size": 16, "out": 1, "loader": ""}
    return SERIES.format(item=item, data=data, **(usual | parts))


def restoring(step: str, inside: str = "") -> str:
    return RESTORING.format(step=step, inside=inside)


STACKED = (
    "windows = torch.stack([series[i : i + L] for i in range(150)])\n"
    "targets = torch.stack([series[i + {ahead}] for i in range(150)])\n"
    "data = TensorDataset(windows, targets)"
)
NONE = "return None"
BROKEN = {
    "one_root": diffusion(f"a = number(bars, t)\n    return a.sqrt() * x + (1 - a) * noise{MARK}"),
    "one_root.image": diffusion(
        f"return number(bars, t) * x + torch.sqrt(1 - number(bars, t)) * noise{MARK}"
    ),
    "one_root.tables": diffusion(
        f"return number(roots, t) * x + number(1 - bars, t) * noise{MARK}"
    ),
    "single_step_noise": diffusion(
        f"a = number(alphas, t)\n    return a ** 0.5 * x + (1 - a) ** 0.5 * noise{MARK}"
    ),
    "other_noise": diffusion(
        step="x_t = noisy(x, t, torch.randn_like(x))\n    loss = F.mse_loss(net(x_t, t), noise)"
    ).replace("(x, t, torch.randn_like(x))", f"(x, t, torch.randn_like(x)){MARK}"),
    "other_noise.in_the_loss": diffusion(
        step=f"x_t = noisy(x, t, noise)\n    wanted = torch.randn(x.shape){MARK}\n"
        "    loss = F.l1_loss(net(x_t, t), wanted)"
    ),
    "target_inside_window": series(f"return self.series[i : i + L], self.series[i + L - 1]{MARK}"),
    "target_inside_window.columns": series(
        f"x = self.series[i : i + L].unsqueeze(1)\n        y = x[-1]{MARK}\n        return x, y"
    ),
    "target_inside_window.tensors": series(NONE, STACKED.format(ahead="L - 1"), loader="").replace(
        "shuffle=True):", f"shuffle=True):{MARK}"
    ),
    "target_is_corrupted_too": restoring(
        f"noisy = image\n    noisy[torch.rand_like(image) < 0.5] = 0{MARK}\n"
        "    loss = F.mse_loss(net(noisy), image)"
    ),
    "target_is_corrupted_too.function": restoring(
        "noisy = corrupt(image)\n    loss = F.mse_loss(net(noisy), image)", MARK
    ),
    "target_is_corrupted_too.noise": restoring(
        f"noisy = image\n    noisy += 0.3 * torch.randn_like(image){MARK}\n"
        "    loss = F.l1_loss(net(noisy), image)"
    ),
}
HEALTHY = {
    "both roots": diffusion(),
    "roots of the number": diffusion(
        "a = number(bars, t)\n    return a.sqrt() * x + (1 - a).sqrt() * noise"
    ),
    "flow matching": diffusion(
        "s = (t / T).view(-1, 1, 1, 1)\n    return (1 - s) * x + s * noise",
        "x_t = noisy(x, t, noise)\n    loss = F.mse_loss(net(x_t, t), noise - x)",
    ),
    "noise of a linear path": diffusion("a = number(bars, t)\n    return a * x + (1 - a) * noise"),
    "the image is predicted": diffusion(
        step="x_t = noisy(x, t, noise)\n    loss = F.mse_loss(net(x_t, t), x)"
    ),
    "noise is only added": diffusion(
        step=f"{SIGMAS}\n    loss = F.mse_loss(net(x + sigma * noise, t), noise)"
    ),
    "shares without steps": diffusion(
        "a = number(torch.linspace(0.999, 0.01, T), t)\n"
        "    return a.sqrt() * x + (1 - a).sqrt() * noise"
    ),
    "random targets of a smoke test": diffusion(
        step="loss = F.mse_loss(net(torch.randn_like(x), t), noise)"
    ),
    "augmented with noise": diffusion(
        step="loss = F.mse_loss(net(x + 0.1 * torch.randn_like(x), t), x)"
    ),
    "the next value": series("return self.series[i : i + L], self.series[i + L]"),
    "several values ahead": series(
        "return self.series[i : i + L], self.series[i + L : i + L + 4]", out=4
    ),
    "shifted by one": series(
        "return self.series[i : i + L], self.series[i + 1 : i + L + 1]", out=16
    ),
    "windows are restored": series("return self.series[i : i + L], self.series[i : i + L]", out=16),
    "tensors with the next value": series(NONE, STACKED.format(ahead="L")),
    "rows that do not overlap": series(
        NONE, "rows = torch.randn(150, 16)\ndata = TensorDataset(rows, rows[:, -1])"
    ),
    "the mean of a window": series("x = self.series[i : i + L]\n        return x, x.mean()"),
    "a clone is corrupted": restoring(
        "noisy = image.clone()\n    noisy[torch.rand_like(image) < 0.5] = 0\n"
        "    loss = F.mse_loss(net(noisy), image)"
    ),
    "the same noise for both": restoring(
        "image += torch.rand_like(image) / 256\n    loss = F.mse_loss(net(image), image)"
    ),
    "a copy in the function": restoring(
        "noisy = corrupt(image.clone())\n    loss = F.mse_loss(net(noisy), image)"
    ),
    "scaled in place": restoring(
        "x = image\n    x.mul_(2).sub_(1)\n    loss = F.mse_loss(net(x), image)"
    ),
}
KINDS = {
    "one_root": "loss/wrong_loss",
    "single_step_noise": "loss/wrong_loss",
    "other_noise": "loss/wrong_loss",
    "target_inside_window": "data",
    "target_is_corrupted_too": "data/inplace_mutates_constant",
}


class TestPrograms(ProgramChecks):
    pass
