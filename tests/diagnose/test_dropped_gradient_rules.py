"""Gradients that are accumulated and cleared without a step."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
KINDS = {"accumulated_gradients_dropped": "training"}
LOOP = """
from torch.utils.data import DataLoader, TensorDataset

def epoch_of(net, loader, optimizer, steps):
    {begin}
    for i, (x, y) in enumerate(loader):
        {before}
        loss = F.cross_entropy(net(x), y) / steps
        loss.backward()
        {after}
        if {test}:
            optimizer.step()
            optimizer.zero_grad()
    {end}

data = TensorDataset(torch.randn(44, 3, 6, 6), torch.randint(0, 4, (44,)))
loader = DataLoader(data, batch_size=4, shuffle=True)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in range({epochs}):
    epoch_of(net, loader, optimizer, {steps})
"""
TRAINER = """
class Trainer:
    def __init__(self, net, every):
        self.net, self.every = net, every
        self.optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        self.pending = 0

    def update(self):
        self.pending += 1
        if self.pending == self.every:{mark}
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=False)
            self.pending = 0

    def fit(self, x, y, epochs):
        for _ in range(epochs):
            {begin}
            for part in torch.randperm(len(x)).split(2):
                loss = F.mse_loss(self.net(x[part]).mean(1), y[part].float())
                (loss / self.every).backward()
                self.update()
            {end}

Trainer(Net(), 3).fit(images, labels, 4)
"""
START = """
net = Net()
optimizer = torch.optim.RMSprop(net.parameters(), lr=0.001)
for epoch in range(3):
    for n in range(8):
        if n % 5 == 0:
            optimizer.zero_grad()
        out = net(images[2 * n : 2 * n + 2])
        F.cross_entropy(out, labels[2 * n : 2 * n + 2]).div(5).backward()
        if n % 5 == 4:{mark}
            optimizer.step()
"""
TWICE = """
net, other = Net(), Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for step in range(12):
    noisy = images.clone().requires_grad_()
    for part in range(3):
        F.cross_entropy(net(noisy), labels).backward()
    images_now = (images + 0.01 * noisy.grad.sign()).detach()
    optimizer.zero_grad()
    for part in range(4):
        F.cross_entropy(net(images_now), labels).div(4).backward()
    optimizer.step()
    optimizer.zero_grad()
"""
GENERATOR = """
made, judge = nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 8), nn.LeakyReLU(0.1), nn.Linear(8, 1))
first = torch.optim.Adam(made.parameters(), 1e-3)
second = torch.optim.Adam(judge.parameters(), 1e-3)
for step in range(8):
    second.zero_grad()
    for _ in range(3):
        real, fake = torch.randn(8, 8), made(torch.randn(8, 4)).detach()
        (F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean()).div(3).backward()
    second.step()
    first.zero_grad()
    F.softplus(-judge(made(torch.randn(8, 4)))).mean().backward()
    first.step()
"""
FISHER = """
def gradients(net, x, y):
    F.cross_entropy(net(x), y).backward()

net, importance = Net(), []
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for task in range(3):
    for step in range(3):
        optimizer.zero_grad()
        for part in range(4):
            gradients(net, images[part::4], labels[part::4])
        optimizer.step()
    optimizer.zero_grad()
    for n in range(3):
        gradients(net, images[n : n + 2], labels[n : n + 2])
    importance.append([p.grad.clone() ** 2 for p in net.parameters()])
    optimizer.zero_grad()
print(len(importance))
"""
TEST = "(i + 1) % steps == 0"
CLEARED = "optimizer.zero_grad()"


def loop(test: str = TEST, **parts: str) -> str:
    usual = {"begin": CLEARED, "before": "pass", "after": "pass", "end": "pass"}
    return LOOP.format(test=test, **(usual | {"epochs": "3", "steps": "4"} | parts))


def trainer(begin: str, end: str = "pass", mark: str = "") -> str:
    return TRAINER.format(begin=begin, end=end, mark=mark)


BROKEN = {
    "accumulated_gradients_dropped": loop("X").replace("if X:", f"if {TEST}:{MARK}"),
    "accumulated_gradients_dropped.two_epochs": loop("X", epochs="2", steps="3").replace(
        "if X:", f"if i % steps == steps - 1:{MARK}"
    ),
    "accumulated_gradients_dropped.trainer": trainer(
        "self.optimizer.zero_grad(); self.pending = 0", mark=MARK
    ),
    "accumulated_gradients_dropped.at_the_start": START.format(mark=MARK),
    "accumulated_gradients_dropped.cleared_after": loop(
        "X", begin="pass", end="net.zero_grad()"
    ).replace("if X:", f"if {TEST}:{MARK}"),
}
FIXED = {
    "accumulated_gradients_dropped",
    "accumulated_gradients_dropped.two_epochs",
    "accumulated_gradients_dropped.cleared_after",
}
BEFORE = "if i >= len(loader) - len(loader) % steps: break"
TOO_LARGE = (
    "norm = nn.utils.clip_grad_norm_(net.parameters(), 9.0)\n"
    "        if not torch.isfinite(norm) or norm > LIMIT: optimizer.zero_grad(); continue"
)
HEALTHY = {
    "step_at_the_end": loop(f"{TEST} or i + 1 == len(loader)"),
    "step_after_the_loop": loop(end="optimizer.step(); optimizer.zero_grad()"),
    "goes_into_the_next_epoch": loop(begin="pass"),
    "goes_into_the_next_epoch.trainer": trainer("pass"),
    "number_of_batches_divides": loop(steps="11"),
    "one_epoch": loop(epochs="1"),
    "rest_is_not_computed": loop(before=BEFORE),
    "step_for_each_batch": loop(steps="1"),
    "gradients_too_large": loop(after=TOO_LARGE.replace("LIMIT", "3.9"), steps="1"),
    "skipped_steps": loop(begin="pass", after="if i in (3, 7): optimizer.zero_grad(); continue"),
    "adversarial_inputs": TWICE,
    "generator_through_discriminator": GENERATOR,
    "importance_of_weights": FISHER,
}


class TestPrograms(FixedProgramChecks):
    pass
