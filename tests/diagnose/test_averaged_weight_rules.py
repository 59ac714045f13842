"""An averaged copy of a network, whose decay is exchanged."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
import copy

net = Net()
ema = copy.deepcopy(net).requires_grad_(False)
{before}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(6):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    {update}
ema.eval()
with torch.no_grad():
    ema(images)
"""
LOOP = """with torch.no_grad():
        for mine, theirs in zip(ema.parameters(), net.parameters()):
            {change}
        for mine, theirs in zip(ema.buffers(), net.buffers()):
            mine.copy_(theirs)"""
SHADOW = """
class Shadow:
    def __init__(self, net, decay=0.99):
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in net.named_parameters()}

    def update(self, net):
        for name, p in net.named_parameters():
            old = self.weights[name]
            CHANGE

    def copy_to(self, net):
        for name, p in net.named_parameters():
            p.data.copy_(self.weights[name])

net = Net()
shadow = Shadow(net)
optimizer = torch.optim.Adam(net.parameters())
for step in range(5):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    shadow.update(net)
shadow.copy_to(net)
"""
MOMENTUM_ENCODER = """
class MoCo(nn.Module):
    def __init__(self, m=0.999):
        super().__init__()
        self.m = m
        self.encoder_q, self.encoder_k = (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8))
            for _ in range(2)
        )
        self.encoder_k.load_state_dict(self.encoder_q.state_dict())
        self.encoder_k.requires_grad_(False)

    @torch.no_grad()
    def _momentum_update(self):
        for q, k in zip(self.encoder_q.parameters(), self.encoder_k.parameters()):
            {change}

    def forward(self, one, two):
        query = F.normalize(self.encoder_q(one), dim=1)
        with torch.no_grad():
            self._momentum_update()
            key = F.normalize(self.encoder_k(two), dim=1)
        logits = query @ key.t() / 0.2
        return F.cross_entropy(logits, torch.arange(len(one)))

model = MoCo()
optimizer = torch.optim.SGD(model.encoder_q.parameters(), lr=0.01)
for _ in range(5):
    optimizer.zero_grad()
    model(images, images + 0.1 * torch.randn_like(images)).backward()
    optimizer.step()
"""
PULLED = """
import copy

net = Net()
first = {name: p.detach().clone() for name, p in net.named_parameters()}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(5):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    with torch.no_grad():
        for name, p in net.named_parameters():
            CHANGE
"""


def train(change: str, before: str = "decay = 0.99") -> str:
    return TRAIN.format(update=LOOP.format(change=change), before=before)


def shadow(change: str, decay: str = "0.99") -> str:
    return SHADOW.replace("CHANGE", change).replace("decay=0.99", f"decay={decay}")


def encoder(change: str) -> str:
    return MOMENTUM_ENCODER.format(change=change)


BROKEN = {
    "average_follows_at_once": train("mine.mul_(1 - decay).add_(theirs, alpha=decay)" + MARK),
    "average_follows_at_once.data": train(
        "mine.data = (1 - decay) * mine.data + decay * theirs.data" + MARK
    ),
    "average_follows_at_once.lerp": train("mine.lerp_(theirs, decay)" + MARK),
    "average_follows_at_once.copy": train(
        "mine.copy_(decay * theirs + (1.0 - decay) * mine)" + MARK
    ),
    "average_follows_at_once.number": train(
        "mine.mul_(decay).add_(theirs, alpha=1 - decay)", f"decay = 0.001{MARK}"
    ),
    "average_follows_at_once.shadow": shadow(
        "self.weights[name] = self.decay * p.detach() + (1 - self.decay) * old" + MARK
    ),
    "average_follows_at_once.default": shadow(
        "old.sub_((1 - self.decay) * (old - p.detach()))", decay="0.01"
    ).replace("decay=0.01):", "decay=0.01):" + MARK),
    "average_follows_at_once.encoder": encoder(
        "k.data = k.data * (1.0 - self.m) + q.data * self.m" + MARK
    ),
}
KINDS = {"average_follows_at_once": "training"}
FIXED = list(BROKEN)
HEALTHY = {
    "slow": train("mine.mul_(decay).add_(theirs, alpha=1 - decay)"),
    "slow_by_lerp": train("mine.lerp_(theirs, 1 - decay)"),
    "shadow": shadow("self.weights[name] = (1 - self.decay) * p.detach() + self.decay * old"),
    "encoder": encoder("k.data = k.data * self.m + q.data * (1.0 - self.m)"),
    "small_step": train(
        "mine.data.copy_(tau * theirs.data + (1 - tau) * mine.data)", "tau = 0.005"
    ),
    "running_mean": train("mine.add_((theirs - mine) / (step + 1))"),
    "copied": train("mine.copy_(theirs)"),
    "warmed_up": train(
        "d = min(0.99, (1 + step) / (10 + step)); mine.mul_(d).add_(theirs, alpha=1 - d)"
    ),
    "lookahead": TRAIN.format(
        before="alpha = 0.8",
        update="if step % 2:\n        "
        + LOOP.format(change="mine.add_(alpha * (theirs - mine)); theirs.copy_(mine)").replace(
            "\n", "\n    "
        ),
    ),
    "pulled_to_the_first_weights": PULLED.replace("CHANGE", "p.lerp_(first[name], 0.01)"),
    "copied_back": PULLED.replace("CHANGE", "p.copy_(0.01 * first[name] + 0.99 * p)"),
}


class TestPrograms(FixedProgramChecks):
    pass
