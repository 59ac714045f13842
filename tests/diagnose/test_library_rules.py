"""Rules about failures inside of libraries, and about arguments of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "half_of_the_channels": (
        "float_argument",
        "shape/float_conv_args",
        """
class Squeeze(nn.Module):
    def __init__(self, width):
        super().__init__()
        hidden = width / 2  # cause
        self.down = nn.Conv2d(width, hidden, 1)
        self.up = nn.Conv2d(hidden, width, 1)

    def forward(self, x):
        return self.up(torch.relu(self.down(x)))

print(Squeeze(3 + 1)(torch.cat([images, images[:, :1]], 1)).shape)
""",
    ),
    "half_of_the_kernel": (
        "kept_argument_type",
        "shape/float_conv_args",
        """
def block(width, kernel):
    return nn.Sequential(
        nn.Conv2d(3, width, kernel, padding=(kernel - 1) / 2),  # cause
        nn.ReLU(),
    )

print(block(4, 3)(images).shape)
""",
    ),
    "padding_that_is_a_boolean": (
        "kept_argument_type",
        "shape/bool_conv_args",
        """
keep_size = True
conv = nn.Conv2d(3, 4, 3, padding=keep_size)  # cause
print(conv(images).shape)
""",
    ),
    "groups_by_position": (
        "groups_as_dilation",
        "shape/conv_args_order",
        """
net = nn.Sequential(
    nn.Conv2d(3, 6, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(6, 6, 3, 1, 1, 6),  # cause
)
print(net(images).shape)
""",
    ),
    "labels_on_another_device": (
        "two_devices",
        "device/new_tensor_on_cpu",
        """
class Shifted(nn.Module):
    def forward(self, x):
        offset = torch.zeros(1, 3, 1, 1)  # cause
        return x + offset

Shifted()(images.to("meta"))
""",
    ),
    "best_five_of_four": (
        "topk_beyond_classes",
        "loss/topk_exceeds_classes",
        """
def best(scores, k=5):
    return scores.topk(k, dim=1).indices  # cause

print(best(Net().eval()(images)))
""",
    ),
    "image_without_objects": (
        "boxes_of_empty_image",
        "detection/invalid_boxes",
        """
import torchvision

def target(marked):
    boxes = torch.tensor([[0.0, 0.0, 20.0, 20.0] for _ in range(marked)])  # cause
    return dict(boxes=boxes, labels=torch.ones(marked, dtype=torch.int64))

detector = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
    weights=None, weights_backbone=None, num_classes=3
)
detector([torch.rand(3, 64, 64) for _ in range(2)], [target(2), target(0)])
""",
    ),
    "detector_in_train_mode": (
        "detector_without_targets",
        "detection/targets_missing",
        """
import torchvision

detector = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
    weights=None, weights_backbone=None, num_classes=3
)
with torch.no_grad():
    found = detector([torch.rand(3, 64, 64)])  # cause
print(len(found))
""",
    ),
}
SLOW = {"detector_in_train_mode", "image_without_objects"}  # a detector takes two seconds
WITHOUT_FIX = {"labels_on_another_device"}
OTHER = {
    "own_error": 'raise RuntimeError("targets have no bounding box; CUDA out of luck")',
    "float_of_a_user": """
class Count:
    def __init__(self, n):
        self.items = [0] * n

Count(3 / 2)
""",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule, kind, _ = BROKEN[name]
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.kinds[rule] == kind
    assert CAUSE in found.rules[rule]


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in WITHOUT_FIX])
def test_the_first_fix_makes_the_program_run(name: str, judged: Mapping[str, Judged]) -> None:
    assert BROKEN[name][0] in judged[name].fixed


@pytest.mark.parametrize("name", OTHER)
def test_other_failures_are_left_to_other_rules(name: str, judged: Mapping[str, Judged]) -> None:
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.rules == {}
