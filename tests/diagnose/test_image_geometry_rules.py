"""Rules about where pixels, boxes and points of an image are, and about the range of pixels."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
KINDS = {
    "grid_has_rows_first": "data",
    "grid_is_not_normalized": "data",
    "pixels_wrap_around": "data/normalize_range",
    "points_not_exchanged": "data/image_and_mask_transformed_apart",
    "boxes_outside_of_image": "detection/invalid_boxes",
    "image_pair_moved_apart": "data/image_and_mask_transformed_apart",
    "suppressed_by_another_class": "detection",
    "mask_classes_blended": "data/mask_interpolation",
}
WARP = """
moving = torch.rand(8, 1, 12, 10)
net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

def warp(image, flow):
    n, _, height, width = image.shape
    {grid}
    grid = base.unsqueeze(0) + flow.permute(0, 2, 3, 1) * 0.05
    {sample}

for _ in range(2):
    fixed = moving.roll(1, 3)
    flow = net(torch.cat([moving, fixed], 1))
    optimizer.zero_grad()
    F.mse_loss(warp(moving, flow), fixed).backward()
    optimizer.step()
"""
EDGES = """rows = torch.linspace(-1, 1, height)
    columns = torch.linspace(-1, 1, width)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    base = torch.stack([{order}], -1){mark}"""
PIXELS = """y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    base = torch.stack([x, y], -1).float(){scale}"""
SAMPLE = "return F.grid_sample(image, grid, align_corners=True)"


def warp(grid: str, sample: str = SAMPLE) -> str:
    return WARP.format(grid=grid, sample=sample)


RESTORING = """
import numpy as np

clean = (torch.rand(8, 3, 8, 8) > 0.5).float()
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-2)
for _ in range(15):
    optimizer.zero_grad()
    F.mse_loss(net(clean * 2 - 1), clean * 4 - 1).backward()
    optimizer.step()
net.eval()

{picture}

with torch.no_grad():
    pictures = [picture(one) for one in net(clean * 2 - 1)]
print(len(pictures))
"""
ARRAY = """def picture(output):
    image = output.detach().cpu().numpy().transpose(1, 2, 0){clip}
    image = image * 255.0
    return image.round().astype(np.uint8){mark}"""
FACES = """
import random
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

{names}

class Faces(Dataset):
    def __init__(self, count=8):
        generator = torch.Generator().manual_seed(3)
        self.images = torch.zeros(count, 1, 20, 20)
        self.points = torch.zeros(count, 4, 2)
        for i in range(count):
            x, y = torch.randint(6, 13, (2,), generator=generator).tolist()
            places = {places}
            for (u, v), value in zip(places, (1.0, 0.9, 0.5, 0.3)):
                self.images[i, 0, v, u] = value
            self.points[i] = torch.tensor(places).float()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image, points = self.images[i], self.points[i].clone()
        if {chance}:
            image = torch.flip(image, [2])
            points[:, 0] = 19 - points[:, 0]{mark}
            {swap}
        return image, points / 20

net = nn.Sequential(nn.Flatten(), nn.Linear(400, 8))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for x, y in DataLoader(Faces(), batch_size=4, shuffle=True):
    optimizer.zero_grad()
    F.mse_loss(net(x), y.flatten(1)).backward()
    optimizer.step()
"""
NAMES = 'NAMES = ["left_eye", "right_eye", "nose", "chin"]'
SYMMETRIC = "[(x - 4, y - 2), (x + 4, y - 2), (x, y), (x, y + 5)]"
ONE_SIDED = "[(x - 5, y - 2), (x - 3, y + 4), (x, y), (x + 5, y + 5)]"


def faces(**parts: str) -> str:
    usual = {"names": "", "places": SYMMETRIC, "chance": "random.random() < 0.5", "swap": "pass"}
    return FACES.format(**(usual | {"mark": ""} | parts))


DETECTION = """
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as TF

SIDE = 24

class Scenes(Dataset):
    def __init__(self, count=12):
        generator = torch.Generator().manual_seed(4)
        self.images = torch.zeros(count, 3, 48, 48)
        self.boxes = torch.zeros(count, 4)
        for i in range(count):
            x, y = torch.randint(0, 36, (2,), generator=generator).tolist()
            self.images[i, :, y : y + 10, x : x + 10] = 1.0
            self.boxes[i] = torch.tensor([x, y, x + 10, y + 10])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image, box = self.images[i], self.boxes[i]
        {resize}
        return {sample}

net = nn.Sequential(nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Linear(108, 4))
loader = DataLoader(Scenes(), batch_size=4, shuffle=True)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for batch in loader:
    x, y = batch.values() if isinstance(batch, dict) else batch
    optimizer.zero_grad()
    F.smooth_l1_loss(net(x), y.flatten(1).float()).backward()
    optimizer.step()
"""
SMALLER = "image = TF.resize(image, [SIDE, SIDE])"


def detection(resize: str, sample: str = "image, box") -> str:
    return DETECTION.format(resize=resize, sample=sample)


PAIRS = """
import random
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

class Pairs(Dataset):
    def __init__(self, count=8):
        self.sharp = torch.rand(count, 3, 16, 16)
        self.augment = T.Compose([T.RandomHorizontalFlip(), T.RandomVerticalFlip()])

    def __len__(self):
        return len(self.sharp)

    def crop(self, image, size, at=None):
        top, left = at or (random.randint(0, image.shape[1] - size), random.randint(0, 4))
        return image[:, top : top + size, left : left + size]

    def __getitem__(self, i):
        sharp = self.sharp[i]
        blurred = sharp * 0.5 + 0.1
        {move}

net = nn.Conv2d(3, 3, 3, padding=1)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for x, y in DataLoader(Pairs(), batch_size=4, shuffle=True):
    optimizer.zero_grad()
    {loss}.backward()
    optimizer.step()
"""
L1 = "F.l1_loss(net(x), y)"


def pairs(move: str, loss: str = L1) -> str:
    return PAIRS.format(move=move, loss=loss)


BOXES = """
from torchvision import ops
from torchvision.ops import batched_nms, nms

class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.ReLU())
        self.scores = nn.Linear(16, 8)

    def forward(self, x):
        return self.scores(self.body(x))

net = Detector()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for x, y in zip(images.split(4), labels.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(net(x)[:, :4], y).backward()
    optimizer.step()
corners = torch.tensor([[0.0, 0.0], [1.0, 1.0], [20.0, 20.0], [21.0, 20.0]]).repeat(2, 1)
found = torch.cat([corners, corners + 10], 1)
kinds = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])

{choose}

net.eval()
with torch.no_grad():
    for x in images.split(4):
        print(choose(found, net(x)[0].sigmoid(), kinds))
"""
SEGMENTING = """
x = torch.randn(8, 3, 12, 12)
masks = torch.randint(0, 4, (8, 3, 3)).repeat_interleave(4, 1).repeat_interleave(4, 2)
net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for a, b in zip(x.split(4), masks.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(net(a), b[:, ::2, ::2]).backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    for a, b in zip(x.split(4), masks.split(4)):
        {measure}
"""
BROKEN = {
    "grid_has_rows_first": warp(EDGES.format(order="y, x", mark=MARK)),
    "grid_has_rows_first.named_x": warp(
        "rows, columns = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)\n"
        f'    grid_x, grid_y = torch.meshgrid(rows, columns, indexing="ij"){MARK}\n'
        "    base = torch.stack([grid_x, grid_y], -1)"
    ),
    "grid_has_rows_first.default_indexing": warp(
        "x = torch.linspace(-1, 1, width)\n    y = torch.linspace(-1, 1, height)\n"
        "    base = torch.cartesian_prod(y, x).reshape(height, width, 2)",
        SAMPLE + MARK,
    ),
    "grid_is_not_normalized": warp(PIXELS.format(scale=""), SAMPLE + MARK),
    "grid_is_not_normalized.shares": warp(
        PIXELS.format(scale=" / torch.tensor([width - 1, height - 1])")
        .replace("base =", "base =")
        .replace("permute(0, 2, 3, 1)", "permute(0, 2, 3, 1)"),
        "return F.grid_sample(image, grid.clamp(0, 1), align_corners=True)" + MARK,
    ),
    "pixels_wrap_around": RESTORING.format(
        picture=f"def picture(output):\n    return (output * 255).to(torch.uint8){MARK}"
    ),
    "pixels_wrap_around.byte": RESTORING.format(
        picture=f"def picture(output):\n    image = output.mul(255).add(0.5)\n"
        f"    return image.byte(){MARK}"
    ),
    "pixels_wrap_around.array": RESTORING.format(picture=ARRAY.format(clip="", mark=MARK)),
    "points_not_exchanged": faces(mark=MARK, names=NAMES),
    "points_not_exchanged.symmetric": faces(mark=MARK),
    "points_not_exchanged.named": faces(
        mark=MARK, names="# left shoulder, left hip, neck, right hip", places=ONE_SIDED
    ).replace("# left shoulder, left hip, neck, right hip", "parts = 'left_hip right_hip'"),
    "boxes_outside_of_image": detection(SMALLER + MARK),
    "boxes_outside_of_image.mapping": detection(
        f"image = F.interpolate(image[None], size=(SIDE, SIDE))[0]{MARK}",
        '{"image": image, "boxes": box[None]}',
    ),
    "image_pair_moved_apart": pairs(f"return self.augment(blurred), self.augment(sharp){MARK}"),
    "image_pair_moved_apart.target_first": pairs(
        f"sharp = self.augment(sharp)\n        return self.augment(blurred), sharp{MARK}",
        "(net(x) - y).pow(2).mean()",
    ),
    "image_pair_moved_apart.crops": pairs(
        f"return self.crop(blurred, 12), self.crop(sharp, 12){MARK}"
    ),
    "suppressed_by_another_class": BOXES.format(
        choose="def choose(boxes, scores, classes):\n"
        f"    keep = nms(boxes, scores, 0.5){MARK}\n"
        "    return boxes[keep], scores[keep], classes[keep]"
    ),
    "suppressed_by_another_class.mask_first": BOXES.format(
        choose="def choose(boxes, scores, classes):\n"
        "    sure = scores > 0.05\n"
        "    boxes, scores, classes = boxes[sure], scores[sure], classes[sure]\n"
        f"    keep = ops.nms(boxes, scores, iou_threshold=0.5)[:5]{MARK}\n"
        '    return {"boxes": boxes[keep], "labels": classes[keep]}'
    ),
    "suppressed_by_another_class.rows": BOXES.format(
        choose="def choose(boxes, scores, classes):\n"
        "    rows = torch.cat([boxes, scores[:, None], classes[:, None].float()], 1)\n"
        f"    return rows[nms(rows[:, :4], rows[:, 4], 0.5)]{MARK}"
    ),
    "mask_classes_blended": SEGMENTING.format(
        measure="b = F.interpolate(b[:, None].float(), size=(6, 6), mode='bilinear')"
        f"{MARK}\n        print((net(a).argmax(1) == b.squeeze(1).long()).float().mean())"
    ),
}
HEALTHY = {
    "pairs.two_domains_in_a_cycle": pairs(
        "return self.augment(blurred), self.augment(sharp)",
        "sum(F.l1_loss(net(net(z)), z) + F.l1_loss(net(z), z) for z in (x, y))",
    ),
    "grid.columns_first": warp(EDGES.format(order="x, y", mark="")),
    "grid.affine": warp(
        "theta = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])\n"
        "    base = F.affine_grid(theta, [1, 1, height, width], align_corners=True)[0]"
    ),
    "grid.quarter_turn": warp(
        EDGES.format(order="y, -x", mark="").replace("torch.stack", "torch.stack")
    ),
    "grid.normalized_later": warp(
        PIXELS.format(scale=" / torch.tensor([width - 1, height - 1]) * 2 - 1")
    ),
    "grid.a_part": warp(EDGES.format(order="x, y", mark="").replace("-1, 1", "0.2, 0.6")),
    "grid.mirrored": warp(EDGES.format(order="-x, y", mark="")),
    "grid.points": warp(
        "base = torch.rand(height, width, 2)",
        "return F.grid_sample(image, grid, align_corners=True)",
    ),
    "pixels.clamped": RESTORING.format(
        picture="def picture(output):\n    return (output * 255).clamp(0, 255).to(torch.uint8)"
    ),
    "pixels.clipped": RESTORING.format(picture=ARRAY.format(clip=".clip(0, 1)", mark="")),
    "pixels.sigmoid": RESTORING.format(
        picture="def picture(output):\n    return output.sigmoid().mul(255).byte()"
    ),
    "pixels.mask": RESTORING.format(
        picture="def picture(output):\n    return (output > 0).to(torch.uint8)"
    ),
    "pixels.scaled_to_the_range": RESTORING.format(
        picture="def picture(output):\n    low, high = output.min(), output.max()\n"
        "    return ((output - low) / (high - low) * 255).byte()"
    ),
    "pixels.larger_integers": RESTORING.format(
        picture="def picture(output):\n    return (output * 255).to(torch.int32)"
    ),
    "pixels.clipped_by_items": RESTORING.format(
        picture="def picture(output):\n    image = output.numpy() * 255\n"
        "    image[image < 0] = 0\n    image[image > 255] = 255\n"
        "    return image.astype(np.uint8)"
    ),
    "pixels.unknown_change": RESTORING.format(
        picture="def picture(output):\n    image = output.numpy()\n"
        "    image = np.clip(image, 0, 1)\n    return (image * 255).astype(np.uint8)"
    ),
    "points.exchanged": faces(names=NAMES, swap="points = points[[1, 0, 2, 3]]"),
    "points.exchanged_before": faces(swap="points[[0, 1]] = points[[1, 0]]"),
    "points.one_sided": faces(places=ONE_SIDED),
    "points.never_flipped": faces(names=NAMES, chance="random.random() < 0"),
    "points.on_a_line": faces(
        names="", places="[(x - 1, y - 5), (x, y), (x + 2, y + 3), (x + 3, y + 6)]"
    ),
    "points.left_alone": faces(names="left_margin = 3", places=ONE_SIDED),
    "boxes.scaled": detection(SMALLER + "\n        box = box * (SIDE / 48)"),
    "boxes.shares": detection(SMALLER + "\n        box = box / 48"),
    "boxes.not_resized": detection("image = image * 2 - 1"),
    "boxes.larger_image": detection(
        "image = TF.resize(image, [64, 64])\n        box = box * 64 / 48"
    ),
    "boxes.offsets": detection(SMALLER + "\n        box = box - 60"),
    "boxes.centers": detection(
        SMALLER + "\n        box = torch.cat([box[:2] + 5, box[2:] - box[:2]]) / 2"
    ),
    "boxes.classes": detection(SMALLER, "image, torch.arange(4) + 40 * (i % 2)").replace(
        "box", "part"
    ),
    "pair.together": pairs(
        "both = self.augment(torch.cat([blurred, sharp]))\n        return both[:3], both[3:]"
    ),
    "pair.not_moved": pairs("return blurred, sharp"),
    "pair.same_crop": pairs(
        "at = random.randint(0, 4), random.randint(0, 4)\n"
        "        return self.crop(blurred, 12, at), self.crop(sharp, 12, at)"
    ),
    "pair.same_seed": pairs(
        "seed = random.randint(0, 1000)\n        torch.manual_seed(seed)\n"
        "        blurred = self.augment(blurred)\n        torch.manual_seed(seed)\n"
        "        return blurred, self.augment(sharp)"
    ),
    "pair.views": pairs(
        "return self.augment(sharp), self.augment(sharp)",
        "F.cosine_embedding_loss(net(x).flatten(1), net(y).flatten(1), torch.ones(len(x)))",
    ),
    "pair.noise": pairs("return sharp + 0.1 * torch.randn(3, 16, 16), sharp"),
    "pair.unpaired": pairs(
        "other = self.sharp[random.randrange(len(self.sharp))]\n        return sharp, other"
    ),
    "nms.batched": BOXES.format(
        choose="def choose(boxes, scores, classes):\n"
        "    keep = batched_nms(boxes, scores, classes, 0.5)\n"
        "    return boxes[keep], scores[keep], classes[keep]"
    ),
    "nms.of_each_class": BOXES.format(
        choose="def choose(boxes, scores, classes):\n    kept = []\n"
        "    for kind in classes.unique():\n"
        "        own = torch.nonzero(classes == kind).flatten()\n"
        "        kept.append(own[nms(boxes[own], scores[own], 0.5)])\n"
        "    keep = torch.cat(kept)\n"
        "    return boxes[keep], classes[keep]"
    ),
    "nms.moved_apart": BOXES.format(
        choose="def choose(boxes, scores, classes):\n"
        "    moved = boxes + classes[:, None] * 100.0\n"
        "    keep = nms(moved, scores, 0.5)\n"
        "    return boxes[keep], classes[keep]"
    ),
    "nms.agnostic": BOXES.format(
        choose="def choose(boxes, scores, classes, agnostic=True):\n"
        "    shift = 0.0 if agnostic else 100.0\n"
        "    keep = nms(boxes + classes[:, None] * shift, scores, 0.5)\n"
        "    return boxes[keep], classes[keep]"
    ),
    "nms.one_class": BOXES.format(
        choose="def choose(boxes, scores, classes):\n"
        "    keep = nms(boxes, scores, 0.5)\n    return boxes[keep], scores[keep]"
    ),
    "nms.far_apart": BOXES.format(
        choose="def choose(boxes, scores, classes):\n    keep = nms(boxes, scores, 0.99)\n"
        "    return boxes[keep], classes[keep]"
    ).replace(
        "found = torch.cat([corners",
        "corners += torch.arange(8)[:, None] * 30\nfound = torch.cat([corners",
    ),
    "blended.nearest": SEGMENTING.format(
        measure="b = F.interpolate(b[:, None].float(), size=(6, 6), mode='nearest')\n"
        "        print((net(a).argmax(1) == b.squeeze(1).long()).float().mean())"
    ),
    "blended.scores": SEGMENTING.format(
        measure="s = F.interpolate(net(a), size=(12, 12), mode='bilinear')\n"
        "        print((s.argmax(1) == b).float().mean())"
    ),
    "blended.shares_of_classes": SEGMENTING.format(
        measure="shares = F.interpolate(F.one_hot(b, 4).permute(0, 3, 1, 2).float(), (6, 6), "
        "mode='area')\n        print((net(a).argmax(1) == shares.argmax(1)).float().mean())"
    ),
}


class TestPrograms(ProgramChecks):
    pass
