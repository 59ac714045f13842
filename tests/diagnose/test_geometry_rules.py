"""Rules about boxes, key points, grids and the padding of sequences."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "boxes_not_two_corners": "detection/invalid_boxes",
    "points_not_flipped": "data/image_and_mask_transformed_apart",
    "grid_indices_exchanged": "data/reshape_instead_of_permute",
    "convolution_sees_the_future": "training/not_learning",
}
BOXES = """
from torchvision import ops

middles = torch.rand(16, 2) * 0.4 + 0.3
sizes = torch.rand(16, 2) * 0.2 + 0.1
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4), nn.Sigmoid())

def corners(b):
    return torch.cat([b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2], -1)

found = net(images)
F.l1_loss(found, torch.cat([middles, sizes], 1)).backward()
"""
PICTURES = """
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T
from torchvision.transforms import functional as TF

class Faces(Dataset):
    def __init__(self, count=12, side=16):
        g = torch.Generator().manual_seed(5)
        self.places = torch.rand(count, 3, 2, generator=g) * 0.5 + 0.05
        self.side, self.images = side, torch.zeros(count, 1, side, side)
        for n, marks in enumerate(self.places):
            for x, y in (marks * side).long().tolist():
                self.images[n, 0, y, x] = 1.0
        self.turn = T.RandomHorizontalFlip()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, n):
        image, where = self.images[n], self.places[n]{scale}
        {flip}
        return {sample}

net = nn.Sequential(nn.Flatten(), nn.Linear(256, 6))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(2):
    for batch in DataLoader(Faces(), batch_size=4, shuffle=True):
        x, y = {unpack}
        optimizer.zero_grad()
        F.mse_loss(net(x), y.flatten(1).float()).backward()
        optimizer.step()
"""
PLAIN = {"sample": "image, where", "unpack": "batch"}
GRID = """
CELLS = 4

def encode(boxes):
    target = torch.zeros(CELLS, CELLS, 3)
    for bx, by, size in boxes.tolist():
        col, row = int(bx * CELLS), int(by * CELLS)
        target[{write}] = torch.tensor([1.0, bx, by]){mark}
    return target

def decode(scores):
    found = []
    for {loop}:
        for {inner}:
            if scores[{read}, 0] > 0:
                found.append(scores[{read}, 1:])
    return found

net = nn.Conv2d(3, 3, 3, stride=2)
net = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(CELLS))
target = torch.stack([encode(torch.rand(2, 3)) for _ in images])
scores = net(images).permute(0, 2, 3, 1)
F.mse_loss(scores, target).backward()
print(len(decode(scores[0].detach())))
"""
ROWS = {"loop": "row in range(CELLS)", "inner": "col in range(CELLS)"}
SEQUENCE = """
class Causal(nn.Module):
    def __init__(self, width=6, kernel=3, dilation=2):
        super().__init__()
        self.cut = (kernel - 1) * dilation
        self.conv = nn.Conv1d(3, width, kernel, padding={padding}, dilation=dilation)
        self.head = nn.Conv1d(width, 3, 1)

    def forward(self, x):
        {before}
        x = torch.relu(self.conv(x))
        {after}
        return self.head(x)

net = Causal()
series = torch.randn(8, 3, 21)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    F.mse_loss(net(series), series.cumsum(-1)).backward()
    optimizer.step()
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "boxes_not_two_corners.data": f"""{BOXES}
boxes = torch.cat([middles, sizes], 1)
print(ops.box_iou(corners(found.detach()), boxes).diag())  # cause
""",
    "boxes_not_two_corners.suppressed": f"""{BOXES}
with torch.no_grad():
    kept = ops.nms(net(images) * torch.tensor([1, 1, 0.2, 0.2]), torch.rand(16), 0.5)  # cause
print(kept)
""",
    "points_not_flipped.function": PICTURES.format(
        scale="",
        flip="if torch.rand(()) < 0.5:\n            image = TF.hflip(image)  # cause",
        **PLAIN,
    ),
    "points_not_flipped.transform": PICTURES.format(
        scale=" * self.side", flip="image = self.turn(image)  # cause", **PLAIN
    ),
    "points_not_flipped.upside_down": PICTURES.format(
        scale="",
        flip="if torch.rand(()) < 0.5:\n            image = image.flip(-2)  # cause",
        **PLAIN,
    ),
    "points_not_flipped.mapping": PICTURES.format(
        scale="",
        flip="image = self.turn(image)  # cause",
        sample='{"image": image, "target": {"marks": where, "size": self.side}}',
        unpack='batch["image"], batch["target"]["marks"]',
    ),
    "grid_indices_exchanged.words": GRID.format(
        write="col, row", mark="  # cause", read="row, col", **ROWS
    ),
    "grid_indices_exchanged.letters": GRID.replace("col", "gx")
    .replace("row", "gy")
    .format(
        write="gx, gy",
        mark="  # cause",
        read="gy, gx",
        loop="gy in range(CELLS)",
        inner="gx in range(CELLS)",
    ),
    "convolution_sees_the_future.start": SEQUENCE.format(
        padding="self.cut", before="pass", after="x = x[:, :, self.cut:]  # cause"
    ),
    "convolution_sees_the_future.last_steps": SEQUENCE.format(
        padding="self.cut",
        before="length = x.shape[-1]",
        after="x = x[..., -length:]  # cause",
    ),
    "convolution_sees_the_future.padded": SEQUENCE.format(
        padding="0", before="x = F.pad(x, (0, self.cut))  # cause", after="pass"
    ),
    "convolution_sees_the_future.next_element": SEQUENCE.format(
        padding="self.cut", before="pass", after="x = x[:, :, self.cut:]  # cause"
    ).replace("net(series), series.cumsum(-1)", "net(series[..., :-1]), series[..., 1:]"),
}
FIXED = [
    "grid_indices_exchanged.words",
    "grid_indices_exchanged.letters",
    "convolution_sees_the_future.start",
]
HEALTHY = {
    "boxes_of_two_corners": f"""{BOXES}
boxes = torch.cat([middles, sizes], 1)
print(ops.box_iou(corners(found.detach()), corners(boxes)).diag())
print(ops.nms(corners(found.detach()), torch.rand(16), 0.5))
""",
    "some_boxes_with_noise": f"""{BOXES}
boxes = corners(torch.cat([middles, sizes], 1))
boxes[0] = torch.tensor([0.5, 0.5, 0.49, 0.6])
print(ops.box_iou(boxes, boxes).shape)
""",
    "boxes_of_an_untrained_network": f"""{BOXES}
boxes = corners(torch.cat([middles, sizes], 1))
ops.generalized_box_iou_loss(net(images), boxes, reduction="mean").backward()
""",
    "points_flipped": PICTURES.format(
        scale="",
        flip="""if torch.rand(()) < 0.5:
            image = TF.hflip(image)
            where = torch.stack([1 - where[:, 0], where[:, 1]], 1)""",
        **PLAIN,
    ),
    "no_flip": PICTURES.format(scale="", flip="image = image + 0.01", **PLAIN),
    "flip_of_what_has_no_place": PICTURES.format(
        scale="", flip="image, where = self.turn(image), where.sum(0) * 40", **PLAIN
    ).replace("256, 6", "256, 2"),
    "grid_in_one_order": GRID.format(write="row, col", mark="", read="row, col", **ROWS),
    "grid_by_columns": GRID.format(write="col, row", mark="", read="col, row", **ROWS),
    "cut_at_the_end": SEQUENCE.format(
        padding="self.cut", before="pass", after="x = x[:, :, :-self.cut]"
    ),
    "cut_on_both_sides": SEQUENCE.format(
        padding="self.cut",
        before="half = self.cut // 2",
        after="x = x[:, :, half:-half]",
    ),
    "padded_at_the_start": SEQUENCE.format(
        padding="0", before="x = F.pad(x, (self.cut, 0))", after="pass"
    ),
    "padded_for_an_even_kernel": SEQUENCE.format(
        padding="0", before="x = F.pad(x, (0, self.cut))", after="pass"
    ).replace("kernel=3, dilation=2", "kernel=2, dilation=1"),
}


class TestPrograms(FixedProgramChecks):
    pass
