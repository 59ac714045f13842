"""Errors of 8-bit pixels whose differences wrap around."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
RULE = "difference_of_bytes"
PROGRAM = """
import numpy as np


def to_image(x):
    x = x.detach().clamp(0, 1).numpy()
    return {image}


def error(one, other):
    {crop}
    return np.mean({difference}){mark}


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
made, true = to_image(images + 0.1), {true}
first = to_image(images + 0.1)
second = {true}
print(error({arguments}))
"""
BYTES = "(x * 255).round().astype(np.uint8)"


def program(difference: str, mark: str = MARK, **names: str) -> str:
    default = {"image": BYTES, "crop": "pass", "arguments": "first, second"}
    default |= {"true": "to_image(images)"}
    return PROGRAM.format(difference=difference, mark=mark, **(default | names))


BROKEN = {
    f"{RULE}.squared": program("(one - other) ** 2"),
    f"{RULE}.absolute": program(
        "np.abs(one - other)", image="np.uint8(x * 255)", crop="one = one[..., 1:-1]; pass"
    ).replace("one[..., 1:-1]; pass", "one[..., 1:-1]\n    other = other[..., 1:-1]"),
    f"{RULE}.called_there": program(
        "np.square(one - other)", arguments="to_image(images), other=to_image(images * 2)"
    ),
}
KINDS = {RULE: "loss/broadcast_metric"}
FIXED = list(BROKEN)
HEALTHY = {
    "floats": program("(one - other) ** 2", "", image="x * 255.0"),
    "converted": program("(one - other) ** 2", "", crop="one = one.astype(np.float64)"),
    "converted_there": program("(one.astype(float) - other) ** 2", ""),
    "other_array_of_floats": program("(one - other) ** 2", "", true="images.numpy() * 255"),
    "divided": program("(one - other) ** 2", "", crop="one, other = one / 255, other / 255"),
    "shown": program("one - other", ""),
}


class TestPrograms(FixedProgramChecks):
    pass
