"""Anchors of several aspect ratios."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
PRIORS = """
from math import sqrt
from torchvision.ops import box_convert

RATIOS = [1, 1 / 2, 2]

def make_priors(cells=3, scales=(0.2, 0.4), ratios=RATIOS):
    priors = []
    for row in range(cells):
        for column in range(cells):
            x, y = (column + 0.5) / cells, (row + 0.5) / cells
            for scale in scales:
                for ratio in ratios:
                    {sides}
                    priors.append({box})
    return torch.tensor(priors)

priors = make_priors()
net = nn.Sequential(nn.Flatten(), nn.Linear(108, priors.numel()))
wanted = torch.rand(16, *priors.shape)
F.smooth_l1_loss(net(images).view(16, *priors.shape) + priors, wanted).backward()
print(priors.shape, len(priors))
"""
SIDES = "\n                    "


def priors(*sides: str, box: str = "[x, y, w, h]") -> str:
    return PRIORS.format(sides=SIDES.join(sides), box=box)


BROKEN = {
    "anchors_are_squares": priors("w = scale * sqrt(ratio)", f"h = scale * sqrt(ratio){MARK}"),
    "anchors_are_squares.reassigned": priors(
        "root = ratio ** 0.5",
        "height = scale / ratio ** 0.5",
        f"width = scale / ratio ** 0.5{MARK}",
        box="(x - width / 2, y - height / 2, x + width / 2, y + height / 2)",
    ),
}
HEALTHY = {
    "divided": priors("w = scale * sqrt(ratio)", "h = scale / sqrt(ratio)"),
    "multiplied_and_divided": priors(
        "r = sqrt(ratio)", "h = scale / r", "w = scale * r", box="[x - w, y - h, x + w, y + h]"
    ),
    "squares_on_purpose": priors("w = scale * 1.5", "h = scale * 1.5"),
    "squares_of_two_scales": priors("w = scale * sqrt(ratio)", "h = scale * sqrt(ratio)")
    .replace("for ratio in ratios", "for factor in (1.0, 1.26)")
    .replace("ratio)", "factor)"),
    "side_and_margin": priors(
        "w = scale * sqrt(ratio)",
        "h = scale / sqrt(ratio)",
        "a = scale * ratio",
        "b = scale * ratio",
    ),
    "crop_by_ratio": """
for ratio in (0.5, 0.75):
    for size in (4, 6):
        height = int(size * ratio) or 1
        width = int(size * ratio) or 1
        part = images[:, :, :height, :width]
        print(part.mean())
F.cross_entropy(Net()(images), labels).backward()
print(torch.rand(3, 4))
""",
    "padding_of_both_sides": """
total = 0
for ratio in (1, 2):
    for size in (3, 5):
        top = ratio * (size - 1) // 2
        left = ratio * (size - 1) // 2
        total = total + F.pad(images, [left, left, top, top]).mean() + torch.rand(2, 4).mean()
F.cross_entropy(Net()(images), labels).backward()
print(total)
""",
}
KINDS = {"anchors_are_squares": "detection"}


class TestPrograms(ProgramChecks):
    pass
