"""Initialization that overwrites loaded weights."""

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
INIT = """
def init_weights(m):
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(m.weight)
        m.bias.data.zero_()

torch.save(Net().state_dict(), "pretrained.pt")
"""
NESTED = """
class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        {lines}
        self.out = nn.Conv2d(5, 4, 1)

    def _reset(self):
        for m in self.{of}modules():
            if isinstance(m, nn.Conv2d):
                m.weight.data.normal_(0, 0.02)

    def forward(self, x):
        return self.out(torch.relu(self.body(x))).mean((2, 3))

def backbone():
    body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 5, 3))
    body.load_state_dict(torch.load("body.pt"))
    return body

torch.save(nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 5, 3)).state_dict(), "body.pt")
net = Segmenter()
"""
LOAD = 'net.load_state_dict(torch.load("pretrained.pt"))'


def loaded(*lines: str) -> str:
    return INIT + "\n".join(["net = Net()", *lines]) + TRAIN.format(images="images")


def nested(first: str, second: str, of: str = "") -> str:
    lines = f"{first}\n        {second}"
    return NESTED.format(lines=lines, of=of) + TRAIN.format(images="images")


BROKEN = {
    "loaded_weights_are_overwritten": loaded(LOAD, "net.apply(init_weights)" + MARK),
    "loaded_weights_are_overwritten.loop": loaded(
        LOAD,
        "for m in net.modules():",
        '    if hasattr(m, "reset_parameters"):',
        f"        m.reset_parameters(){MARK}",
    ),
    "loaded_weights_are_overwritten.constructor": nested(
        "self.body = backbone()", "self._reset()" + MARK
    )
    .replace("        self.out = nn.Conv2d(5, 4, 1)\n", "", 1)
    .replace("super().__init__()", "super().__init__()\n        self.out = nn.Conv2d(5, 4, 1)"),
}
KINDS = {"loaded_weights_are_overwritten": "state"}
FIXED = list(BROKEN)
HEALTHY = {
    "initialized_before": loaded("net.apply(init_weights)", LOAD),
    "new_head": loaded(LOAD, "net.head.reset_parameters()"),
    "random_baseline": loaded(
        LOAD, "with torch.no_grad():\n    net(images)", "net.apply(init_weights)"
    ),
    "kept_copy": loaded(
        LOAD,
        "kept = {name: value.clone() for name, value in net.state_dict().items()}",
        "net.apply(init_weights)",
    ),
    "new_layers_of_a_backbone": nested("self.body = backbone()", "self.new = None"),
}


class TestPrograms(FixedProgramChecks):
    pass
