"""Means of Normalize, rates of Dropout and schedules whose size does not fit their purpose."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
NORMALIZED = """
from torchvision import transforms
pixels = torch.randint(0, 256, (16, 3, 6, 6)).float()
normalize = transforms.Normalize(mean={mean}, std={deviation}){mark}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net(normalize({pixels})), labels).backward()
    optimizer.step()
"""
OF_PIXELS = {"mean": "(123.7, 116.3, 103.5)", "deviation": "(58.4, 57.1, 57.4)"}
OF_IMAGES = {"mean": "(0.485, 0.456, 0.406)", "deviation": "(0.229, 0.224, 0.225)"}
DROPPED = """
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Dropout({rate}),{mark}
    nn.Linear(128, 4)).{mode}()
optimizer = torch.optim.SGD(net[:-1].parameters(), lr=0.01)
for _ in range(4):
    {body}
"""
TRAINED = """optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()"""
SCHEDULED = """
net, epochs = Net(), {epochs}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.{schedule}{mark}
for _ in range(epochs):
    for x, y in zip(images.split(8), labels.split(8)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    scheduler.step()
"""


def dropped(rate: float, mark: str = "", mode: str = "train") -> str:
    body = TRAINED if mode == "train" else "net(images).detach()"
    text = DROPPED.format(rate=rate, mark=mark, mode=mode, body=body)
    return text.replace("net[:-1].parameters()", "net.parameters()")


BROKEN = {
    "normalize_with_means_of_pixels": NORMALIZED.format(
        **OF_PIXELS, pixels="pixels / 255", mark=MARK
    ),
    "dropout_drops_nearly_all": dropped(0.95, MARK),
    "schedule_collapses": SCHEDULED.format(
        epochs=6, schedule="ExponentialLR(optimizer, gamma=0.01)", mark=MARK
    ),
    "schedule_collapses.in_steps": SCHEDULED.format(
        epochs=8, schedule="StepLR(optimizer, 1, gamma=0.05)", mark=MARK
    ),
    "step_size_is_no_count": SCHEDULED.format(
        epochs=3, schedule="StepLR(optimizer, step_size=0.1)", mark=MARK
    ),
}
KINDS = {
    "step_size_is_no_count": "training/not_learning",
    "normalize_with_means_of_pixels": "data/normalize_range",
    "dropout_drops_nearly_all": "training/not_learning",
    "schedule_collapses": "training/not_learning",
}
FIXED = ["normalize_with_means_of_pixels", "dropout_drops_nearly_all"]
HEALTHY = {
    "pixels": NORMALIZED.format(**OF_PIXELS, pixels="pixels", mark=""),
    "images": NORMALIZED.format(**OF_IMAGES, pixels="pixels / 255", mark=""),
    "means_of_tensors": NORMALIZED.format(
        mean="[images.float().std() / 7]",
        deviation="[images.std()]",
        pixels="pixels / 255",
        mark="",
    ),
    "half": dropped(0.5),
    "evaluated": dropped(0.95, mode="eval").replace(
        "\n    net(", "\n    with torch.no_grad():\n        net("
    ),
    "whole_step_size": SCHEDULED.format(
        epochs=3, schedule="StepLR(optimizer, step_size=2.0)", mark=""
    ),
    "slow_decay": SCHEDULED.format(
        epochs=8, schedule="ExponentialLR(optimizer, gamma=0.5)", mark=""
    ),
    "late_decay": SCHEDULED.format(
        epochs=8, schedule="MultiStepLR(optimizer, [5, 6], gamma=0.001)", mark=""
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
