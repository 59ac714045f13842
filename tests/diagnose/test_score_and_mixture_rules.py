"""Rules about thresholds of logits, scores that are cosines, and samples that are mixed."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "logits_compared_with_half": "loss/broadcast_metric",
    "labels_mixed_with_other_weights": "data/pairs_out_of_order",
    "cosines_in_cross_entropy": "training/not_learning",
}
SETUP = """
import numpy as np

def fit(net, objective, steps=4):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for number in range(steps):
        optimizer.zero_grad()
        objective(number).backward()
        optimizer.step()
"""
BINARY = f"""{SETUP}
wanted = F.one_hot(labels, 4).float()
net = Net()
fit(net, lambda _: {{loss}})
net.eval()
with torch.no_grad():
    scores = net(images)
    {{decision}}
print((decided == wanted.bool()).float().mean().item())
"""
LOGITS = "F.binary_cross_entropy_with_logits(net(images), wanted)"
HEADS = f"""{SETUP}
class Grid(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten())
        self.out = nn.Linear(96, 3)

    def forward(self, x):
        return self.out(self.backbone(x))

net = Grid()
there, place = (labels > 1).float(), torch.rand(16, 2)
criterion = nn.BCEWithLogitsLoss()

def objective(_):
    out = net(images)
    return criterion(out[:, 0], there) + F.mse_loss(out[:, 1:], place)

fit(net, objective)
out = net.eval()(images).detach()
{{decision}}
print(found.sum().item())
"""
MIXUP = f"""{SETUP}
net, rng = Net(), np.random.default_rng(0)

def mix(x, y):
    share = float(rng.beta(1.0, 1.0))
    order = torch.randperm(len(x))
    return {{images}}, y, y[order], share

def objective(_):
    x, a, b, share = mix(images, labels)
    scores = net(x)
    {{loss}}

fit(net, objective)
"""
LOSSES = "F.cross_entropy(scores, a){} + F.cross_entropy(scores, b){}"
SOFT = f"""{SETUP}
net = Net()
classes = F.one_hot(labels, 4).float()

def objective(_):
    share = torch.rand(16, 1)
    wide = share.view(-1, 1, 1, 1)
    x = images * wide + images.flip(0) * (1 - wide)
    y = {{labels}}
    return F.cross_entropy(net(x), y)

fit(net, objective)
"""
CUTMIX = f"""{SETUP}
net, rng = Net(), np.random.default_rng(1)

def objective(_):
    share, side = float(rng.uniform(0.2, 0.5)), images.shape[-1]
    half = int(side * (1 - share) ** 0.5) // 2
    row, column = rng.integers(side, size=2)
    top, bottom = max(row - half, 0), min(row + half, side)
    left, right = max(column - half, 0), min(column + half, side)
    order = torch.randperm(len(images))
    x = images.clone()
    x[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
    {{share}}
    scores = net(x)
    one, two = F.cross_entropy(scores, labels), F.cross_entropy(scores, labels[order])
    return share * one + (1 - share) * two{{mark}}

fit(net, objective, steps=8)
"""
PAIRS = f"""{SETUP}
encoder = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 12))

class Contrast(nn.Module):
    def __init__(self, temperature=0.1):
        super().__init__()
        self.temperature = temperature
        {{scale}}

    def forward(self, one, other):
        {{logits}}
        return F.cross_entropy(logits, torch.arange(len(one)))

criterion = Contrast()
noise = lambda: images + 0.05 * torch.randn_like(images)
fit(encoder, lambda _: criterion(encoder(noise()), encoder(noise())))
"""
UNIT = "one, other = F.normalize(one, dim=-1), F.normalize(other, dim=-1)"


def pairs(logits: str, scale: str = "pass") -> str:
    """Return a contrastive program with these logits, which one, other and self are known to."""
    return PAIRS.format(logits=f"{UNIT}\n        {logits}", scale=scale)


# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "logits_compared_with_half.after_training": BINARY.format(
        loss=LOGITS, decision="decided = scores > 0.5  # cause"
    ),
    "logits_compared_with_half.argument": BINARY.format(
        loss=LOGITS,
        decision="limit = 0.5\n    decided = torch.ge(scores.detach(), limit)  # cause",
    ),
    "logits_compared_with_half.one_output": HEADS.format(
        decision="found = out[:, 0] > 0.5  # cause"
    ),
    "labels_mixed_with_other_weights.losses": MIXUP.format(
        images="share * x + (1 - share) * x[order]",
        loss="return (1 - share) * F.cross_entropy(scores, a) + share * F.cross_entropy("
        "scores, b)  # cause",
    ),
    "labels_mixed_with_other_weights.divided": MIXUP.format(
        images="torch.lerp(x, x[order], 1 - share)",
        loss="loss = F.cross_entropy(scores, b) * share\n"
        "    loss += F.cross_entropy(scores, a) * (1 - share)  # cause\n"
        "    return loss / 4",
    ),
    "labels_mixed_with_other_weights.soft_labels": SOFT.format(
        labels="classes * (1 - share) + classes.flip(0) * share  # cause"
    ),
    "labels_mixed_with_other_weights.area": CUTMIX.format(share="pass", mark="  # cause"),
    "labels_mixed_with_other_weights.share_of_the_patch": CUTMIX.format(
        share="share = (bottom - top) * (right - left) / side**2  # cause", mark=""
    ),
    "labels_mixed_with_other_weights.returned_share": CUTMIX.format(
        share="area = (bottom - top) * (right - left)\n"
        "    return x, labels[order], area / (side * side)  # cause",
        mark="",
    )
    .replace("def objective(_)", "def paste()")
    .replace(
        "    scores = net(x)\n    one, two",
        "\ndef objective(_):\n    x, other, share = paste()\n    scores = net(x)\n    one, two",
    )
    .replace("labels[order])\n    return share", "other)\n    return share"),
    "cosines_in_cross_entropy.multiplied": pairs(
        "logits = one @ other.t() * self.temperature  # cause"
    ),
    "cosines_in_cross_entropy.einsum": pairs(
        "logits = torch.mul(torch.einsum('ik,jk->ij', one, other), 0.05)  # cause"
    ),
    "cosines_in_cross_entropy.similarity": PAIRS.format(
        scale="pass",
        logits="logits = F.cosine_similarity(one[:, None], other[None], dim=2)",
    ).replace("torch.arange(len(one)))", "torch.arange(len(one)))  # cause"),
}
HEALTHY = {
    "threshold_of_logits": BINARY.format(loss=LOGITS, decision="decided = scores > 0"),
    "threshold_of_probabilities": BINARY.format(
        loss=LOGITS, decision="decided = scores.sigmoid() > 0.5"
    ),
    "threshold_in_place": BINARY.format(
        loss=LOGITS, decision="scores.sigmoid_()\n    decided = scores >= 0.5"
    ),
    "other_threshold": BINARY.format(loss=LOGITS, decision="decided = scores > -1.5"),
    "squared_error": BINARY.format(
        loss="F.mse_loss(net(images), wanted)", decision="decided = scores > 0.5"
    ),
    "other_output": HEADS.format(decision="found = out[:, 1] > 0.5"),
    "mixed_losses": MIXUP.format(
        images="share * x + (1 - share) * x[order]",
        loss=f"return {LOSSES.format(' * share', ' * (1 - share)')}",
    ),
    "mixed_losses_over_batches": MIXUP.format(
        images="x.lerp(x[order], 1 - share)",
        loss=f"return ({LOSSES.format(' * share', ' * (1 - share)')}) / 2",
    ),
    "one_label": MIXUP.format(
        images="share * x + (1 - share) * x[order]", loss="return F.cross_entropy(scores, a)"
    ),
    "soft_labels": SOFT.format(labels="share * classes + (1 - share) * classes.flip(0)"),
    "area": CUTMIX.format(share="share = 1 - (bottom - top) * (right - left) / side**2", mark=""),
    "divided": pairs("logits = one @ other.t() / self.temperature"),
    "reciprocal": pairs("logits = (1 / self.temperature) * one @ other.T"),
    "learned_scale": pairs(
        "logits = self.scale.exp() * one @ other.T",
        scale="self.scale = nn.Parameter(torch.tensor(0.0))",
    ).replace("fit(encoder,", "fit(nn.ModuleList([encoder, criterion]),"),
    "temperature_of_one": pairs("logits = one @ other.T / 1.0"),
    "products": PAIRS.format(scale="pass", logits="logits = one @ other.T * 0.1"),
    "cosines_of_four_classes": f"""{SETUP}
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8))
weight = nn.Parameter(torch.randn(4, 8))

def objective(_):
    scores = F.linear(F.normalize(net(images)), F.normalize(weight))
    return F.cross_entropy(scores, labels)

net.register_parameter("prototypes", weight)
fit(net, objective)
""",
}
FIXED = [
    "logits_compared_with_half.after_training",
    "logits_compared_with_half.argument",
    "cosines_in_cross_entropy.multiplied",
]


class TestPrograms(FixedProgramChecks):
    pass
