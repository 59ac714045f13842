"""Initialization that matches no layer."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net({images}), labels).backward()
    optimizer.step()
"""
SIGNAL = """
net = nn.Sequential(
    nn.Conv1d(18, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 4)
)
net.apply(init)
"""
APPLIED = """
{function}

net = Net()
net.apply({name})
"""


def applied(function: str, name: str = "init") -> str:
    return APPLIED.format(function=function, name=name) + TRAIN.format(images="images")


def signal(test: str) -> str:
    text = f"def init(m):\n    if {test}\n        nn.init.kaiming_normal_(m.weight)\n"
    return text + SIGNAL + TRAIN.format(images="images.reshape(16, 18, 6)")


TYPE_TEXT = f"""
def init(m):
    if type(m) == "Conv2d" or type(m) == "Linear":{MARK}
        nn.init.kaiming_normal_(m.weight)
        nn.init.zeros_(m.bias)
"""
CLASS_NAME = f"""
def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("conv2D") != -1:{MARK}
        m.weight.data.normal_(0.0, 0.02)
    elif classname.find("linear") != -1:
        m.weight.data.normal_(0.0, 0.02)
"""
BROKEN = {
    "initialization_matches_nothing": applied(TYPE_TEXT),
    "initialization_matches_nothing.class_name": applied(CLASS_NAME, "weights_init"),
    "initialization_matches_nothing.dimensions": signal(f"isinstance(m, nn.Conv2d):{MARK}"),
}
KINDS = {"initialization_matches_nothing": "training"}
FIXED = list(BROKEN)
HEALTHY = {
    "type_name": applied(TYPE_TEXT.replace("type(m)", "type(m).__name__")),
    "matches_one": applied(CLASS_NAME.replace("linear", "Linear"), "weights_init"),
    "right_dimensions": signal("isinstance(m, (nn.Conv1d, nn.Conv2d)):"),
    "sets_no_weight": applied(
        "def init(m):\n    if isinstance(m, nn.BatchNorm2d):\n        m.momentum = 0.2"
    ),
    "freezes": applied(
        "def init(m):\n    if isinstance(m, nn.Conv1d):\n        m.weight.requires_grad_(False)"
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
