"""Healthy programs that take the place of a broken one: none is a repair of it."""

from __future__ import annotations

from kit import BROKEN, HEALTHY, patched

# The same network, in other words and in another layout.
REWRITTEN = patched(
    ("self.conv = nn.Conv2d(2, 4, kernel_size=3)", "self.add_module('conv', nn.Conv2d(2, 4, 3))"),
    ("self.fc = nn.Linear(4 * 2 * 2, 5)", "self.add_module('fc', nn.Linear(16, 5))"),
    ("    def forward(self, x):\n        x = ", "    def forward(self, images):\n        maps = "),
    ("self.conv(x)", "self.conv(images)"),
    ("torch.flatten(x, 1)", "maps.flatten(1)"),
    ("import torch\nfrom torch import nn\n", "import torch\nimport torch.nn as nn\n"),
)
_START = BROKEN.index("class Net")
_GUARD = BROKEN.index("if __name__")


def _beside(kept: str) -> str:
    """Return the rewritten program with lines of the broken one that never run."""
    start, guard = REWRITTEN.index("class Net"), REWRITTEN.index("def example_inputs")
    return REWRITTEN[:start] + kept + REWRITTEN[start:guard] + BROKEN[BROKEN.index("def ex") :]


OTHER_PROGRAMS = {
    "rewritten": REWRITTEN,
    "defined again": _beside(BROKEN[_START:_GUARD]),
    "beside a class that nothing uses": _beside(
        BROKEN[_START:_GUARD].replace("class Net", "class Kept")
    ),
    "with the broken one as a text": _beside(f"{BROKEN[_START:_GUARD]!r}\n\n\n"),
}
assert HEALTHY not in OTHER_PROGRAMS.values()
