"""The order of the corners of boxes that are flipped."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
KINDS = {"corners_not_exchanged": "detection/invalid_boxes"}
ARRAYS = """
import numpy as np
from torch.utils.data import DataLoader, Dataset

SIDE = 24

class Random:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image, box):
        if np.random.rand() < self.p:
            {flip}
        return image, box

class Objects(Dataset):
    def __init__(self, count=16):
        rng = np.random.default_rng(3)
        self.images, self.boxes = [], []
        for n in range(count):
            w, h = rng.integers(5, 11, 2)
            x, y = rng.integers(0, SIDE - w), rng.integers(0, SIDE - h)
            image = rng.normal(0, 0.2, (3, SIDE, SIDE)).astype(np.float32)
            image[:, y : y + h, x : x + w] += 1
            self.images.append(image)
            self.boxes.append(np.array({box}, np.float32))
        self.transform = Random()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, n):
        image, box = self.transform(self.images[n].copy(), self.boxes[n].copy())
        return torch.from_numpy(image.copy()), torch.from_numpy(box) / {scale}

net = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(484, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(2):
    for x, y in DataLoader(Objects(), batch_size=4, shuffle=True):
        optimizer.zero_grad()
        F.smooth_l1_loss(net(x), y).backward()
        optimizer.step()
"""
TARGETS = """
import random
from torch.utils.data import DataLoader, Dataset

def mirror(image, target):
    {mirror}
    return image, target

class Scenes(Dataset):
    def __init__(self):
        g = torch.Generator().manual_seed(2)
        self.images = torch.rand(12, 3, 20, 28, generator=g)
        first = torch.rand(12, 3, 2, generator=g) * 10
        second = {second}
        self.boxes = torch.cat([first, second], -1)

    def __len__(self):
        return 12

    def __getitem__(self, i):
        target = {{"boxes": self.boxes[i].clone(), "labels": torch.arange(3)}}
        image = self.images[i]
        if random.random() < 0.5:
            image, target = mirror(image, target)
        {last}
        return image, target

def collate(batch):
    return torch.stack([image for image, _ in batch]), [target for _, target in batch]

class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(4 * 9 * 13, 12)

    def forward(self, x):
        return self.head(self.body(x)).view(-1, 3, 4)

net = Detector()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
for _ in range(2):
    for x, targets in DataLoader(Scenes(), batch_size=4, shuffle=True, collate_fn=collate):
        wanted = torch.stack([t["boxes"] for t in targets]) / 28
        optimizer.zero_grad()
        F.l1_loss(net(x), wanted).backward()
        optimizer.step()
"""
ROWS = """
import random
from torch.utils.data import DataLoader, Dataset

class Signs(Dataset):
    def __init__(self):
        random.seed(1)
        self.rows = []
        for n in range(10):
            left, top = random.uniform(0, 0.5), random.uniform(0, 0.5)
            right, low = left + random.uniform(0.1, 0.4), top + random.uniform(0.1, 0.4)
            self.rows.append((torch.rand(1, 16, 16), left, top, right, low))

    def __len__(self):
        return 10

    def __getitem__(self, n):
        image, left, top, right, low = self.rows[n]
        if random.random() < 0.5:
            image = image.flip({dimension})
            {flip}
        return image, torch.tensor([left, top, right, low])

net = nn.Sequential(nn.Flatten(), nn.Linear(256, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(2):
    for x, y in DataLoader(Signs(), batch_size=5, shuffle=True):
        optimizer.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimizer.step()
"""
CORNERS = "[x, y, x + w, y + h]"
SPREAD = "first + 2 + torch.rand(12, 3, 2, generator=g) * 6"
MIRROR = "image = image[:, :, ::-1]"
FLIP = f"{MIRROR}\n            "
BACK = "image = image.flip(-1)\n    "


def arrays(flip: str, box: str = CORNERS, scale: str = "SIDE") -> str:
    return ARRAYS.format(flip=flip, box=box, scale=scale)


def targets(mirror: str, second: str = SPREAD, last: str = "pass") -> str:
    return TARGETS.format(mirror=mirror, second=second, last=last)


def rows(flip: str, dimension: int = -1) -> str:
    return ROWS.format(flip=flip, dimension=dimension)


BROKEN = {
    "corners_not_exchanged": arrays(f"{FLIP}box[0::2] = SIDE - box[0::2]{MARK}"),
    "corners_not_exchanged.new_array": arrays(
        f"{FLIP}left, top, right, low = box\n"
        f"            box = np.array([SIDE - left, top, SIDE - right, low], np.float32){MARK}"
    ),
    "corners_not_exchanged.upside_down": arrays(
        f"image = image[:, ::-1]\n            box[[1, 3]] = SIDE - 1 - box[[1, 3]]{MARK}"
    ),
    "corners_not_exchanged.mapping": targets(
        f'{BACK}target["boxes"][:, [0, 2]] = 28 - target["boxes"][:, [0, 2]]{MARK}'
    ),
    "corners_not_exchanged.numbers": rows(f"left, right = 1 - left, 1 - right{MARK}"),
}
FIXED = {name for name in BROKEN if "numbers" not in name}
HEALTHY = {
    "exchanged": arrays(f"{FLIP}box[[0, 2]] = SIDE - box[[2, 0]]"),
    "exchanged.new_array": arrays(
        f"{FLIP}a, b, c, d = box\n"
        "            box = np.array([SIDE - c, b, SIDE - a, d], np.float32)"
    ),
    "exchanged.upside_down": arrays(
        "image = image[:, ::-1]\n            box[[3, 1]] = SIDE - box[[1, 3]]"
    ),
    "exchanged.mapping": targets(
        f'{BACK}target["boxes"][:, [0, 2]] = 28 - target["boxes"][:, [2, 0]]'
    ),
    "exchanged.later": targets(
        f'{BACK}target["boxes"][:, [0, 2]] = 28 - target["boxes"][:, [0, 2]]',
        last='b = target["boxes"]\n        target["boxes"] = torch.cat('
        "[torch.minimum(b[:, :2], b[:, 2:]), torch.maximum(b[:, :2], b[:, 2:])], 1)",
    ),
    "exchanged.numbers": rows("left, right = 1 - right, 1 - left"),
    "center_and_size": arrays(f"{FLIP}box[0] = SIDE - box[0]", box="[x + w / 2, y + h / 2, w, h]"),
    "center_and_size.zoomed": arrays(
        "zoom = np.random.choice([1.0, 1.5])\n"
        "            box[:2] = SIDE / 2 + (box[:2] - SIDE / 2) * zoom\n"
        "            box[2:] = box[2:] * zoom\n            image = image * 1.0",
        box="[x + w / 2, y + h / 2, w, h]",
    ),
    "center_and_size.moved": arrays(
        "n = np.random.randint(-8, 9)\n            image = np.roll(image, n, 2)\n"
        "            box[0] += n",
        box="[x + w / 2, y + h / 2, w, h]",
    ),
    "corner_and_size": arrays(f"{FLIP}box[0] = SIDE - box[0] - box[2]", box="[x, y, w, h]"),
    "lines": targets(
        f'{BACK}target["boxes"][:, [0, 2]] = 28 - target["boxes"][:, [0, 2]]',
        second="torch.rand(12, 3, 2, generator=g) * 20",
    ),
    "lines.one_each": arrays(
        f"{FLIP}box[0::2] = SIDE - box[0::2]",
        box="[x, y, *rng.integers(0, SIDE, 2)]",
    ),
    "distances_to_sides": arrays(
        f"{FLIP}box[[0, 2]] = box[[2, 0]]", box="[x, y, SIDE - x - w, SIDE - y - h]"
    ),
    "boxes_of_another_order": arrays(
        f"{FLIP}box[:2] = SIDE - box[[1, 0]]", box="[x, x + w, y, y + h]"
    ),
    "targets_with_noise": arrays("box += np.random.normal(0, 3, 4).astype(np.float32)"),
    "no_flip": arrays("image = image * np.float32(1.1)"),
}


class TestPrograms(FixedProgramChecks):
    pass
