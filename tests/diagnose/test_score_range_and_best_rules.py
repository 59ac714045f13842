"""Scores that are dropped, colors after Normalize, samples beside themselves, and a best value."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
net = {net}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net({inputs}), labels).backward()
    optimizer.step()
"""
SCORES = "nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), {last})"
HEAD = """
class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(108, 4)

    def forward(self, x):
        return {result}
"""
COLORED = (
    """
from torchvision import transforms
pixels = torch.rand(16, 3, 6, 6)
{transform}
"""
    + TRAIN
)
NORMALIZE = "transforms.Normalize({first}, {second})"
MEAN, DEVIATION = "[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]"
USUAL = NORMALIZE.format(first=MEAN, second=DEVIATION)
CONTRASTED = """
def contrast(one, two):
    z = F.normalize(torch.cat([one, two]), dim=1)
    {similar}{mark}
    {between}
    return F.cross_entropy(scores / 0.2, {target})

net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    contrast(net(images), net(images.flip(-1))).backward()
    optimizer.step()
"""
OTHERS = "(torch.arange(32) + 16) % 32"
FIT = """
import copy
import math

def fit(net, epochs=3):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    best, kept = {start}, None
    for _ in range(epochs):
        net.train()
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
        net.eval()
        with torch.no_grad():
            loss = F.cross_entropy(net(images), labels).item()
        if {test}:{mark}
            kept = copy.deepcopy(net.state_dict())
            {also}
    return kept

fit(Net())
"""


def fit(**parts: str) -> str:
    usual = {"start": "math.inf", "test": "loss < best", "mark": "", "also": "pass"}
    return FIT.format(**(usual | parts)).replace(
        "best, kept = math.inf, None", "best = math.inf\n    kept = None"
    )


def contrasted(**parts: str) -> str:
    usual = {"similar": "scores = z @ z.t()", "mark": "", "between": "pass", "target": OTHERS}
    return CONTRASTED.format(**(usual | parts))


BROKEN = {
    "scores_are_dropped": TRAIN.format(
        net=SCORES.format(last=f"nn.Linear(64, 4),\n    nn.Dropout(0.2){MARK}\n"), inputs="images"
    ),
    "scores_are_dropped.by_a_function": HEAD.format(
        result=f"F.dropout(self.out(x.flatten(1)), 0.2, self.training){MARK}"
    )
    + TRAIN.format(net="Head()", inputs="images"),
    "colors_after_normalize": COLORED.format(
        transform=f"steps = [{USUAL},\n    transforms.ColorJitter(0.2){MARK}\n]\n"
        "change = transforms.Compose(steps)",
        net="Net()",
        inputs="change(pixels)",
    ),
    "mean_and_deviation_exchanged": COLORED.format(
        transform=f"change = {NORMALIZE.format(first=DEVIATION, second=MEAN)}{MARK}",
        net="Net()",
        inputs="change(pixels)",
    ),
    "sample_is_its_own_negative": contrasted(mark=MARK),
    "sample_is_its_own_negative.by_a_function": contrasted(
        similar="scores = torch.mm(z, z.transpose(0, 1)).float()", mark=MARK
    ),
    "best_is_never_set": fit(mark=MARK),
}
KINDS = {
    "scores_are_dropped": "training/not_learning",
    "colors_after_normalize": "data/normalize_range",
    "mean_and_deviation_exchanged": "data/normalize_range",
    "sample_is_its_own_negative": "loss/triplet_mining",
    "best_is_never_set": "state/best_state_not_copied",
}
FIXED = [name for name in BROKEN if not name.startswith("sample")]
HEALTHY = {
    "features_are_dropped": TRAIN.format(
        net=SCORES.format(last="nn.Dropout(0.2), nn.Linear(64, 4)"), inputs="images"
    ),
    "colors_before_normalize": COLORED.format(
        transform=f"change = transforms.Compose([transforms.ColorJitter(0.2), {USUAL}])",
        net="Net()",
        inputs="change(pixels)",
    ),
    "other_samples": contrasted(
        between="scores = scores.masked_fill(torch.eye(32, dtype=torch.bool), -1e9)"
    ),
    "two_views": contrasted(similar="scores = z[:16] @ z[16:].t()", target="torch.arange(16)"),
    "best_is_set": fit(also="best = loss"),
    "best_of_a_tuple": fit(also="best, _ = loss, kept"),
    "only_good_ones_are_kept": fit(test="loss < 0.5"),
}


class TestPrograms(FixedProgramChecks):
    pass
