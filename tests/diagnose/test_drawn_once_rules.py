"""Augmentations that draw their random numbers in the constructor."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
from torch.utils.data import DataLoader, Dataset

class Pictures(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return len(images)

    def __getitem__(self, index):
        return self.transform(images[index]), labels[index]

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for transform in {transforms}:
    for x, y in DataLoader(Pictures(transform), batch_size=8, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
FLIP = """
import random
import numpy as np

class {name}:
    def __init__(self, p=0.5):
        self.p = p
        {drawn}{mark}

    def __call__(self, x):
        {first}
        {use}
        return x
"""
HELD = """
import numpy as np
from torch.utils.data import DataLoader, Dataset

class Pictures(Dataset):
    def __init__(self):
        self.images = images
        {drawn}{mark}

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        x = self.images[index]
        x = {sample}
        return x, labels[index]

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in DataLoader(Pictures(), batch_size=4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""


def flip(transforms: str = "[Flip()]", **parts: str) -> str:
    usual = {
        "name": "Flip",
        "drawn": "self.flip = random.random() < 0.5",
        "mark": "",
        "first": "pass",
        "use": "x = x.flip(-1) if self.flip else x",
    }
    return FLIP.format(**(usual | parts)) + TRAIN.format(transforms=transforms)


def held(drawn: str, sample: str, mark: str = "") -> str:
    return HELD.format(drawn=drawn, sample=sample, mark=mark)


SHIFT = "self.offset = int(torch.randint(-2, 3, (1,)).item())"
TURNED = "torch.rot90(x, 2, (-2, -1)) if self.turned else x"
BROKEN = {
    "augmentation_is_drawn_once": flip(mark=MARK),
    "augmentation_is_drawn_once.shift": flip(
        drawn=SHIFT, use="x = torch.roll(x, self.offset, -1)", mark=MARK
    ),
    "augmentation_is_drawn_once.by_the_dataset": held(
        "self.turned = bool(np.random.rand() > 0.5)", TURNED, MARK
    ),
}
KINDS = {"augmentation_is_drawn_once": "data"}
FIXED = list(BROKEN)
HEALTHY = {
    "drawn_in_each_call": flip(first="self.flip = random.random() < self.p"),
    "option": flip(drawn="self.flip = bool(p)"),
    "option_or_drawn": flip(drawn="self.flip = random.random() < 0.5 if p is None else False"),
    "seed": flip(
        drawn="self.seed = random.randint(0, 9)",
        first="own = random.Random(self.seed + int(x.abs().sum() * 1000))",
        use="x = x.flip(-1) if own.random() < self.p else x",
    ),
    "seed_of_each_sample": flip(
        drawn="self.seed = random.randint(0, 9)",
        use="x = x.flip(-1) if (self.seed + int(x.abs().sum() * 1000)) % 2 else x",
    ),
    "seed_of_a_generator": flip(
        drawn="self.rng = np.random.default_rng(random.randint(0, 9))",
        use="x = x.flip(-1) if self.rng.random() < self.p else x",
    ),
    "two_domains": flip(
        drawn="self.angle = random.randint(0, 3)",
        use="x = torch.rot90(x, self.angle, (-2, -1))",
        transforms="[Flip(), Flip()]",
    ),
    "decision_for_each_sample": held(
        "self.turned = np.random.rand(len(images)) > 0.5",
        TURNED.replace("self.turned", "self.turned[index]"),
    ),
    "data_of_its_own": held(
        "self.slope = np.random.uniform(0.5, 2.0)", "torch.roll(x, 1, -1) * self.slope"
    ),
    "drawn_again_by_the_constructor": held(
        "self.turned = bool(np.random.rand() > 0.5)", TURNED
    ).replace("net = Net()", "data = Pictures()\ndata.__init__()\nnet = Net()", 1),
    "once_for_a_domain": flip(name="RotatedDomain", transforms="[RotatedDomain()]"),
}


class TestPrograms(FixedProgramChecks):
    pass
