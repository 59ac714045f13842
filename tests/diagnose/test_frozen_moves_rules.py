"""Frozen parameters that an optimizer step still changes."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
TRAIN = """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 4))
{before}
optimizer = {optimizer}

def train(epochs):
    for epoch in range(epochs):
        for x, y in zip(images.split(4), labels.split(4)):
            {zero}
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            {step}

train(1)
{freeze}
train(3)
"""
FREEZE = f"for p in net[1].parameters():\n    p.requires_grad = False{MARK}"
QUIET = "for p in net[1].parameters():\n    p.requires_grad = False"


def train(freeze: str = FREEZE, **parts: str) -> str:
    usual = {
        "before": "",
        "optimizer": "torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)",
        "zero": "optimizer.zero_grad(set_to_none=False)",
        "step": "optimizer.step()",
    }
    return TRAIN.format(freeze=freeze, **(usual | parts))


DECAYED = "torch.optim.SGD(net.parameters(), lr=0.01, weight_decay=1e-2)"
ADAM = "torch.optim.Adam(net.parameters(), lr=1e-3)"
BY_HAND = """for p in net.parameters():
                if p.grad is not None:
                    p.grad.zero_()"""
BROKEN = {
    "frozen_parameter_moves": train(),
    "frozen_parameter_moves.decay": train(f"net[1].requires_grad_(False){MARK}", optimizer=DECAYED),
    "frozen_parameter_moves.adam": train(
        f"def freeze(part, on=True):\n    for p in part.parameters():\n"
        f"        p.requires_grad_(not on){MARK}\n\nfreeze(net[1])",
        optimizer=ADAM,
        zero=BY_HAND,
    ),
}
HEALTHY = {
    "none": train(QUIET, zero="optimizer.zero_grad()"),
    "grad_set_to_none": train(QUIET + "\n    p.grad = None"),
    "from_the_start": train("", before="net[1].requires_grad_(False)", optimizer=DECAYED),
    "plain_sgd": train(QUIET, optimizer="torch.optim.SGD(net.parameters(), lr=0.01)"),
    "new_optimizer": train(
        QUIET
        + "\noptimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.01)"
    ),
    "by_hand": train(
        QUIET + "\n    p.grad = None",
        step="optimizer.step()\n            net[1].weight.data.mul_(0.999)",
    ),
    "average": train(
        QUIET + "\n    p.grad = None",
        before="import copy\nema = copy.deepcopy(net).requires_grad_(False)",
        step="optimizer.step()\n            for a, p in zip(ema.parameters(), net.parameters()):\n"
        "                a.data.lerp_(p.data, 0.1)",
    ),
    "frozen_after_backward": train(
        "",
        step="net[1].requires_grad_(False)\n            optimizer.step()\n"
        "            net[1].requires_grad_(True)",
    ),
    "one_optimizer_for_two_networks": """
maker, judge = nn.Linear(4, 108), nn.Sequential(nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 1))
options = {"lr": 0.001, "betas": (0.5, 0.999)}
both = [torch.optim.Adam(one.parameters(), **options) for one in (maker, judge)]
for i in range(6):
    real, noise = images.flatten(1), torch.randn(len(images), 4)
    for p in judge.parameters():
        p.requires_grad = True
    both[1].zero_grad(set_to_none=False)
    (judge(maker(noise).detach()).mean() - judge(real).mean()).backward()
    both[1].step()
    for p in judge.parameters():
        p.requires_grad = False
    both[0].zero_grad(set_to_none=False)
    (-judge(maker(noise)).mean()).backward()
    both[0].step()
""",
}
KINDS = {"frozen_parameter_moves": "training/frozen_layers"}


class TestFrozenMoves(ProgramChecks):
    """Frozen parameters stay as they are."""
