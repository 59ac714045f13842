"""Rules that call metrics again with images, masks and boxes whose score is known."""

from __future__ import annotations

import ast

import pytest
from broken_convnets.commands.diagnose.rules.loss.pair_answers import only_computes
from rule_checks import ProgramChecks

MARK = "  # cause"
KINDS = {
    "psnr_of_other_slope": "loss/broadcast_metric",
    "psnr_of_other_peak": "loss/broadcast_metric",
    "error_of_wrapped_bytes": "loss/broadcast_metric",
    "overlap_of_distant_boxes": "detection/invalid_boxes",
    "absent_classes_count": "loss/broadcast_metric",
    "mean_over_pixels": "loss/broadcast_metric",
    "empty_masks_count": "loss/broadcast_metric",
    "similarity_of_other_range": "loss/broadcast_metric",
    "rates_exchanged": "loss/broadcast_metric",
    "ignored_labels_count": "loss/broadcast_metric",
}
ENLARGING = """
import math
import numpy as np

clean = torch.rand(12, 3, 16, 16){scale}
small = F.avg_pool2d(clean, 2)
net = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for x, y in zip(small.split(4), clean.split(4)):
    optimizer.zero_grad()
    F.l1_loss(net(x), y).backward()
    optimizer.step()

{psnr}

net.eval()
with torch.no_grad():
    print({call})
"""
TORCH = "def psnr(sr, hr):\n    mse = ((sr - hr) ** 2).mean()\n    return {}"
CALL = "float(psnr(net(small).clamp(0, 1), clean))"


def enlarging(psnr: str, call: str = CALL, scale: str = "") -> str:
    return ENLARGING.format(psnr=psnr, call=call, scale=scale)


NUMPY = """def psnr(a, b):
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return 20 * math.log10({peak} / math.sqrt(error)){mark}"""
ARRAY_CALL = "np.mean([psnr(o.clamp(0, 1).numpy(), t.numpy()) for o, t in zip(net(small), clean)])"
BYTES = {"scale": " * 255", "call": "float(psnr(net(small).clamp(0, 255), clean))"}
ROUNDED = "float(psnr(net(small).clamp(0, 255).round().to(torch.uint8), clean.to(torch.uint8)))"
METER = """class Quality:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def psnr(self, image, target, max_value={peak}):{mark}
        error = F.mse_loss(image, target).item()
        return 20 * math.log10(max_value / math.sqrt(error))
"""
ARRAYS = """def calculate_psnr(img1, img2):
    img1, img2 = img1.squeeze().cpu().numpy(), img2.squeeze().cpu().numpy()
    mse = np.mean((img1.astype(np.float64) - img2.astype(np.float64)) ** 2)
    if mse == 0:
        return float("inf")
    return {}"""
BOXES = """
x = torch.rand(16, 3, 8, 8)
corner = torch.rand(16, 2) * 0.5
boxes = torch.cat([corner, corner + 0.3], 1){scale}
net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

{iou}

for _ in range(3):
    found = net(x)
    optimizer.zero_grad()
    F.smooth_l1_loss(found, boxes).backward()
    optimizer.step()
    print({call})
"""
PAIRWISE = """def box_iou(a, b):
    low = torch.max(a[:, None, :2], b[None, :, :2])
    high = torch.min(a[:, None, 2:], b[None, :, 2:])
    size = {size}
    shared = size[..., 0] * size[..., 1]{mark}
    first = (a[:, 2:] - a[:, :2]).prod(1)
    second = (b[:, 2:] - b[:, :2]).prod(1)
    return shared / (first[:, None] + second - shared)"""
LISTS = """def bb_intersection_over_union(boxA, boxB):
    xA, yA = max(boxA[0], boxB[0]), max(boxA[1], boxB[1])
    xB, yB = min(boxA[2], boxB[2]), min(boxA[3], boxB[3])
    interArea = {area}{mark}
    boxAArea = (boxA[2] - boxA[0]) * (boxA[3] - boxA[1])
    boxBArea = (boxB[2] - boxB[0]) * (boxB[3] - boxB[1])
    return interArea / float(boxAArea + boxBArea - interArea)"""
INCLUSIVE = """def bb_intersection_over_union(a, b):
    low = max(a[0], b[0]), max(a[1], b[1])
    high = min(a[2], b[2]), min(a[3], b[3])
    shared = max(0, high[0] - low[0] + 1) * max(0, high[1] - low[1] + 1)
    first = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
    second = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return shared / float(first + second - shared){mark}"""
CENTERS = """def intersection_over_union(preds, target):
    half_p, half_t = preds[..., 2:] / 2, target[..., 2:] / 2
    low = torch.max(preds[..., :2] - half_p, target[..., :2] - half_t)
    high = torch.min(preds[..., :2] + half_p, target[..., :2] + half_t)
    shared = (high - low).clamp(min=0).prod(-1)
    union = preds[..., 2:].prod(-1) + target[..., 2:].prod(-1){less}{mark}
    return shared / (union + 1e-6)"""
ALL = "box_iou(found.detach(), boxes).mean().item()"
EACH = "sum(bb_intersection_over_union(p, t) for p, t in zip(found.tolist(), boxes.tolist()))"
SAME = "intersection_over_union(found.detach(), boxes).mean().item()"


def boxes(iou: str, call: str, scale: str = "") -> str:
    return BOXES.format(iou=iou, call=call, scale=scale)


MAPS = """
NUM_CLASSES = 5
masks = torch.zeros(16, 8, 8, dtype=torch.long)
masks[:, 2:6, 2:6] = torch.arange(16)[:, None, None] % 4 + 1
x = torch.randn(16, 3, 8, 8) + masks[:, None]
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, NUM_CLASSES, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

{metric}

for _ in range(2):
    net.train()
    for a, b in zip(x.split(4), masks.split(4)):
        optimizer.zero_grad()
        F.cross_entropy(net(a), b).backward()
        optimizer.step()
net.eval()
scores = []
with torch.no_grad():
    for a, b in zip(x.split({size}), masks.split({size})):
        scores.append(float({call}))
print(sum(scores) / len(scores))
"""
LOOP = """def mean_iou(pred, target, n):
    ious = []
    for c in range(n):
        p, t = pred == c, target == c
        shared, union = (p & t).sum().item(), (p | t).sum().item()
        {add}
    return sum(ious) / len(ious)"""
SHORT = "ious.append(shared / (union + 1e-6)){mark}"
BRANCH = """if union == 0:
            ious.append(0.0){mark}
        else:
            ious.append(shared / union)"""
TABLE = """class Metric:
    def __init__(self, classes):
        self.classes = classes

    def miou(self, logits, target):
        pred = logits.argmax(1)
        index = target.flatten() * self.classes + pred.flatten()
        table = torch.bincount(index, minlength=self.classes**2)
        table = table.reshape(self.classes, self.classes).float()
        union = table.sum(0) + table.sum(1) - table.diag()
        {result}

metric = Metric(NUM_CLASSES)"""
HOT = """def mean_dice(logits, target, smooth=1e-6):
    pred = F.one_hot(logits.argmax(1), NUM_CLASSES).float()
    true = F.one_hot(target, NUM_CLASSES).float()
    {body}"""
ONE_BY_ONE = "mean_iou(net(a).argmax(1), b, NUM_CLASSES)"


def maps(metric: str, call: str = ONE_BY_ONE, size: int = 2) -> str:
    return MAPS.format(metric=metric, call=call, size=size)


TUMORS = """
masks = torch.zeros(12, 1, 8, 8)
masks[::{step}, :, 2:6, 3:7] = 1
x = torch.randn(12, 1, 8, 8) + 2 * masks
net = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for a, b in zip(x.split(4), masks.split(4)):
    optimizer.zero_grad()
    F.binary_cross_entropy_with_logits(net(a), b).backward()
    optimizer.step()

{metric}

net.eval()
with torch.no_grad():
    print({call})
"""
DICE = """def dice_score(pred, mask, eps=1e-6):
    pred, mask = pred.flatten(1), mask.flatten(1)
    shared = (pred * mask).sum(1)
    return ({above} / (pred.sum(1) + mask.sum(1) + eps)).mean().item(){mark}"""
COMPARED = "dice_score((net(x) > 0).float(), masks)"
BATCHES = "def iou(logits, mask):\n    pred = logits > 0\n    mask = mask.bool()\n"
BATCHES += "    shared, union = (pred & mask).sum(), (pred | mask).sum()\n    {result}"
OVERLAPS = "sum(iou(net(a), b).item() for a, b in zip(x.split(2), masks.split(2)))"


def tumors(metric: str, call: str = COMPARED, step: int = 2) -> str:
    return TUMORS.format(metric=metric, call=call, step=step)


SSIM = """def ssim(one, two{parameters}):
    c1, c2 = {constants}
    window = torch.ones(one.shape[1], 1, 5, 5) / 25
    blur = lambda image: F.conv2d(image, window, groups=image.shape[1])
    m1, m2 = blur(one), blur(two)
    v1, v2 = blur(one * one) - m1**2, blur(two * two) - m2**2
    both = blur(one * two) - m1 * m2
    above = (2 * m1 * m2 + c1) * (2 * both + c2)
    return (above / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2))).mean()"""
ASKED = "float(ssim(net(small).clamp(0, 1), clean))"
UNIT = "0.01**2, 0.03**2"
FLAGS = """
import numpy as np
from torch.utils.data import DataLoader, TensorDataset

points = torch.randn(60, 5)
flags = (points[:, 0] > 0.4).float()
net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
loader = DataLoader(TensorDataset(points, flags), 12, shuffle=True)
for a, b in loader:
    optimizer.zero_grad()
    F.binary_cross_entropy_with_logits(net(a).squeeze(1), b).backward()
    optimizer.step()
net.eval()

{rates}
"""
COUNTS = """tp = fp = fn = 0
with torch.no_grad():
    for x, y in loader:
        guess = (net(x).squeeze(1) > 0).float()
        tp += ((guess == 1) & (y == 1)).sum().item()
        fp += ((guess == 1) & (y == 0)).sum().item()
        fn += ((guess == 0) & (y == 1)).sum().item()
precision = tp / max(tp + {p}, 1){mark}
recall = tp / max(tp + {r}, 1)
print(2 * precision * recall / max(precision + recall, 1e-8))"""
METHODS = """class Score:
    def __init__(self):
        self.tp = self.fp = self.fn = 0

    def update(self, logits, target):
        pred = torch.sigmoid(logits) > 0.5
        target = target.bool()
        self.tp += (pred & target).sum().item()
        self.fp += ({fp}).sum().item(){mark}
        self.fn += ({fn}).sum().item()

    def compute(self):
        return {{
            "precision": self.tp / (self.tp + self.fp + 1e-8),
            "recall": self.tp / (self.tp + self.fn + 1e-8),
        }}

score = Score()
with torch.no_grad():
    score.update(net(points).squeeze(1), flags)
print(score.compute())"""
FUNCTION = """def {name}(y_true, y_pred):
    hits = (y_true * y_pred).sum()
    possible = y_{which}.sum()
    return hits / (possible + 1e-7){mark}

with torch.no_grad():
    print({name}(flags, torch.sigmoid(net(points).squeeze(1)).round()))"""
MATRIX = """matrix = torch.zeros(2, 2)
with torch.no_grad():
    preds = (net(points).squeeze(1) > 0).long()
for t, p in zip(flags.long(), preds):
    matrix[{index}] += 1
class_precision = matrix.diag() / matrix.sum(1).clamp(min=1){mark}
class_recall = matrix.diag() / matrix.sum(0).clamp(min=1)
print(class_precision, class_recall)"""
VOID = """
x = torch.randn(8, 3, 8, 8)
labels = (x[:, 0] > 0).long()
labels[:, :2] = {void}
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss({ignore})
for _ in range(3):
    optimizer.zero_grad()
    criterion(net(x), labels).backward()
    optimizer.step()
net.eval()

{measure}
"""
IGNORE = "ignore_index=255"
SINGLE = "with torch.no_grad():\n    pred = net(x).argmax(1)\n{}"


def void(measure: str, ignore: str = IGNORE, number: str = "255") -> str:
    return VOID.format(measure=measure, ignore=ignore, void=number)


IOU = """def iou(pred, target, n=2):
    found = []{mark}
    {valid}
    for c in range(n):
        p, t = pred == c, target == c
        found.append((p & t).sum().item() / max((p | t).sum().item(), 1))
    return sum(found) / n

with torch.no_grad():
    print(iou(net(x).argmax(1), labels))"""
BROKEN = {
    "psnr_of_other_peak": enlarging(TORCH.format(f"20 * torch.log10(255.0 / mse.sqrt()){MARK}")),
    "psnr_of_other_peak.arrays": enlarging(
        ARRAYS.format(f"20 * math.log10(255.0 / math.sqrt(mse)){MARK}"),
        "np.mean([calculate_psnr(o.clamp(0, 1), t) for o, t in zip(net(small), clean)])",
    ),
    "psnr_of_other_peak.default": enlarging(
        METER.format(peak="255", mark=MARK), "Quality().psnr(net(small), clean)"
    ),
    "psnr_of_other_peak.bytes": enlarging(
        TORCH.format(f"10 * torch.log10(1 / mse){MARK}"), **BYTES
    ),
    "psnr_of_other_peak.only_arrays": enlarging(NUMPY.format(peak="255.0", mark=MARK), ARRAY_CALL),
    "psnr_of_other_slope": enlarging(TORCH.format(f"20 * torch.log10(1 / mse){MARK}")),
    "psnr_of_other_slope.root": enlarging(
        TORCH.format(f"-10 * math.log10(math.sqrt(mse.item())){MARK}")
    ),
    "psnr_of_other_slope.natural": enlarging(
        ARRAYS.format(f"10 * np.log(1.0 / mse){MARK}"), "calculate_psnr(net(small), clean)"
    ),
    "error_of_wrapped_bytes": enlarging(
        f"def psnr(a, b):\n    mse = torch.mean((a - b).float() ** 2){MARK}\n"
        "    return 20 * torch.log10(255 / mse.sqrt())",
        ROUNDED,
        " * 255",
    ),
    "error_of_wrapped_bytes.absolute": enlarging(
        f"def psnr(one, two):\n    gap = one - two{MARK}\n    return gap.double().abs().mean()",
        ROUNDED,
        " * 255",
    ),
    "overlap_of_distant_boxes": boxes(PAIRWISE.format(size="high - low", mark=MARK), ALL),
    "overlap_of_distant_boxes.pixels": boxes(
        PAIRWISE.format(size="high - low", mark=MARK), ALL, " * 200"
    ),
    "overlap_of_distant_boxes.lists": boxes(
        LISTS.format(area="(xB - xA) * (yB - yA)", mark=MARK), EACH
    ),
    "overlap_of_distant_boxes.union": boxes(CENTERS.format(less="", mark=MARK), SAME),
    "overlap_of_distant_boxes.pixel_rule_of_shares": boxes(
        INCLUSIVE.format(mark=MARK), EACH.replace(".tolist()", ".detach()")
    ),
    "absent_classes_count": maps(LOOP.format(add=SHORT.format(mark=MARK))),
    "absent_classes_count.branch": maps(LOOP.format(add=BRANCH.format(mark=MARK))),
    "absent_classes_count.table": maps(
        TABLE.format(result=f"return (table.diag() / union.clamp(min=1)).mean(){MARK}"),
        "metric.miou(net(a), b)",
    ),
    "absent_classes_count.smooth": maps(
        LOOP.format(add=f"ious.append((shared + 1e-6) / (union + 1e-6)){MARK}")
    ),
    "mean_over_pixels": maps(
        HOT.format(
            body=f"shared = (pred * true).sum(){MARK}\n"
            "    return (2 * shared + smooth) / (pred.sum() + true.sum() + smooth)"
        ).replace("mean_dice", "mean_class_accuracy"),
        "mean_class_accuracy(net(a), b)",
    ),
    "mean_over_pixels.iou": maps(
        "def mIoU(pred, target, classes=NUM_CLASSES):\n"
        "    pred = F.one_hot(pred, classes).flatten()\n"
        "    target = F.one_hot(target, classes).flatten()\n"
        f"    shared = (pred * target).sum().item(){MARK}\n"
        "    return shared / (pred.sum().item() + target.sum().item() - shared)",
        "mIoU(net(a).argmax(1), b)",
    ),
    "empty_masks_count": tumors(DICE.format(above="2 * shared", mark=MARK)),
    "empty_masks_count.batch": tumors(
        BATCHES.format(result=f"return shared / union.clamp(min=1){MARK}"), OVERLAPS, 4
    ).replace("masks[::4", "masks[2::4"),
    "empty_masks_count.branch": tumors(
        BATCHES.format(
            result=f"if union == 0:\n        return torch.tensor(0.0){MARK}\n"
            "    return shared / union"
        ),
        OVERLAPS,
        4,
    ).replace("masks[::4", "masks[2::4"),
    "similarity_of_other_range": enlarging(
        SSIM.format(parameters="", constants=f"(0.01 * 255) ** 2, (0.03 * 255) ** 2{MARK}"), ASKED
    ),
    "similarity_of_other_range.numbers": enlarging(
        SSIM.format(parameters="", constants=f"6.5025, 58.5225{MARK}"), ASKED
    ),
    "rates_exchanged": FLAGS.format(rates=COUNTS.format(p="fn", r="fp", mark=MARK)),
    "rates_exchanged.counts": FLAGS.format(
        rates=METHODS.format(fp="~pred & target", fn="pred & ~target", mark=MARK)
    ),
    "rates_exchanged.function": FLAGS.format(
        rates=FUNCTION.format(name="recall", which="pred", mark=MARK)
    ),
    "rates_exchanged.matrix": FLAGS.format(rates=MATRIX.format(index="t, p", mark=MARK)),
    "ignored_labels_count": void(SINGLE.format(f"print((pred == labels).float().mean()){MARK}")),
    "ignored_labels_count.default": void(
        "def accuracy(pred, target):\n"
        f"    right = pred.eq(target).sum().item(){MARK}\n"
        "    return right / target.numel()\n\n" + SINGLE.format("print(accuracy(pred, labels))"),
        "",
        "-100",
    ),
    "ignored_labels_count.overlap": void(IOU.format(mark=MARK, valid="pass")),
}
HEALTHY = {
    "peak.one": enlarging(TORCH.format("10 * torch.log10(1 / mse)")),
    "peak.without_a_number": enlarging(TORCH.format("-10 * torch.log10(mse)")),
    "peak.bytes": enlarging(TORCH.format("20 * torch.log10(255.0 / mse.sqrt())"), **BYTES),
    "peak.rescaled": enlarging(
        "def psnr(sr, hr):\n    mse = ((sr * 255 - hr * 255) ** 2).mean()\n"
        "    return 10 * torch.log10(255**2 / mse)"
    ),
    "peak.passed": enlarging(
        METER.format(peak="255", mark=""), "Quality().psnr(net(small), clean, 1.0)"
    ),
    "peak.of_the_target": enlarging(TORCH.format("20 * torch.log10(hr.max() / mse.sqrt())")),
    "peak.two": enlarging(
        TORCH.format("10 * torch.log10(4 / mse)"),
        "float(psnr(net(small).clamp(0, 1) * 2 - 1, clean * 2 - 1))",
    ),
    "peak.only_arrays": enlarging(NUMPY.format(peak="1.0", mark=""), ARRAY_CALL),
    "peak.arrays_times_255": enlarging(
        NUMPY.format(peak="255.0", mark=""), ARRAY_CALL.replace("numpy()", "numpy() * 255")
    ),
    "slope.arrays": enlarging(
        ARRAYS.format("20 * math.log10(1.0 / math.sqrt(mse))"),
        "np.mean([calculate_psnr(o.clamp(0, 1), t) for o, t in zip(net(small), clean)])",
    ),
    "slope.another_name": enlarging(
        TORCH.format("torch.log(1 / mse)").replace("psnr", "nats")
    ).replace("psnr(", "nats("),
    "slope.error": enlarging(TORCH.format("mse")),
    "slope.ratio_of_signals": enlarging(
        "def snr(sr, hr):\n    return 10 * torch.log10(hr.pow(2).mean() / (sr - hr).pow(2).mean())",
        "float(snr(net(small), clean))",
    ),
    "bytes.converted": enlarging(
        "def psnr(a, b):\n    mse = torch.mean((a.float() - b.float()) ** 2)\n"
        "    return 20 * torch.log10(255 / mse.sqrt())",
        ROUNDED,
        " * 255",
    ),
    "bytes.compared": enlarging(
        "def same(a, b):\n    return (a == b).float().mean()",
        ROUNDED.replace("psnr", "same"),
        " * 255",
    ),
    "bytes.modulo_on_purpose": enlarging(
        "def changed(a, b):\n    return ((a - b) != 0).float().mean()",
        ROUNDED.replace("psnr", "changed"),
        " * 255",
    ),
    "boxes.clamped": boxes(PAIRWISE.format(size="(high - low).clamp(min=0)", mark=""), ALL),
    "boxes.centers": boxes(CENTERS.format(less=" - shared", mark=""), SAME),
    "boxes.lists": boxes(LISTS.format(area="max(0, xB - xA) * max(0, yB - yA)", mark=""), EACH),
    "boxes.pixel_rule": boxes(INCLUSIVE.format(mark=""), EACH, " * 200"),
    "boxes.generalized": boxes(
        PAIRWISE.format(size="(high - low).clamp(min=0)", mark="").replace("box_iou", "giou")
        + "\n\ndef generalized_iou(a, b):\n"
        "    size = (torch.max(a[:, None, 2:], b[:, 2:]) - torch.min(a[:, None, :2], b[:, :2]))\n"
        "    return giou(a, b) - 1 + size.prod(-1).clamp(min=0.1)",
        "generalized_iou(found.detach(), boxes).mean().item()",
    ),
    "boxes.of_masks": boxes(
        "def iou(a, b):\n    a, b = a > 0.3, b > 0.3\n    return (a & b).sum() / (a | b).sum()",
        "iou(found.detach()[:, :3], boxes[:, :3]).item()",
    ),
    "boxes.over_the_first": boxes(
        PAIRWISE.format(size="(high - low).clamp(min=0)", mark="")
        .replace("box_iou", "coverage")
        .replace("/ (first[:, None] + second - shared)", "/ first[:, None]"),
        "coverage(found.detach(), boxes).mean().item()",
    ),
    "absent.left_out": maps(LOOP.format(add="if union:\n            ious.append(shared / union)")),
    "absent.not_there": maps(LOOP.format(add=SHORT.format(mark="")), size=16),
    "absent.nan_left_out": maps(
        TABLE.format(result="return (table.diag() / union).nanmean()"), "metric.miou(net(a), b)"
    ),
    "absent.accuracy": maps(
        "def accuracy(pred, target, n):\n    return (pred == target).float().mean().item()",
        "accuracy(net(a).argmax(1), b, NUM_CLASSES)",
    ),
    "absent.of_the_labels": maps(
        "def mean_accuracy(pred, target, n):\n"
        "    there = target.unique()\n"
        "    return sum((pred[target == c] == c).float().mean() for c in there) / len(there)",
        "mean_accuracy(net(a).argmax(1), b, NUM_CLASSES)",
    ),
    "absent.sums_of_all_batches": maps(
        "shared, union = torch.zeros(NUM_CLASSES), torch.zeros(NUM_CLASSES)\n\n"
        "def add(pred, target):\n"
        "    for c in range(NUM_CLASSES):\n"
        "        shared[c] += ((pred == c) & (target == c)).sum()\n"
        "        union[c] += ((pred == c) | (target == c)).sum()\n"
        "    return 0.0",
        "add(net(a).argmax(1), b)",
    ),
    "mean.of_classes": maps(
        HOT.format(
            body="shared, both = (pred * true).sum((0, 1, 2)), (pred + true).sum((0, 1, 2))\n"
            "    return (2 * shared[both > 0] / both[both > 0]).mean()"
        ),
        "mean_dice(net(a), b)",
    ),
    "mean.named_otherwise": maps(
        HOT.format(
            body="shared = (pred * true).sum()\n"
            "    return (2 * shared + smooth) / (pred.sum() + true.sum() + smooth)"
        ).replace("mean_dice", "dice_of_pixels"),
        "dice_of_pixels(net(a), b)",
    ),
    "mean.over_batches": maps(
        "def average_accuracy(pred, target):\n"
        "    return (pred == target).float().flatten(1).mean(1).mean()",
        "average_accuracy(net(a).argmax(1), b)",
    ),
    "empty.one": tumors(DICE.format(above="(2 * shared + eps)", mark="")),
    "empty.left_out": tumors(
        BATCHES.format(result="return shared / union if union else torch.tensor(1.0)"), OVERLAPS
    ),
    "empty.none": tumors(DICE.format(above="2 * shared", mark=""), step=1),
    "empty.whole_batch": tumors(
        "def dice(pred, mask):\n    return 2 * (pred * mask).sum() / (pred.sum() + mask.sum())",
        "dice((net(x) > 0).float(), masks).item()",
    ),
    "empty.accuracy": tumors(
        "def accuracy(logits, mask):\n    return ((logits > 0) == mask.bool()).float().mean()",
        "accuracy(net(x), masks).item()",
    ),
    "empty.recall_of_objects": tumors(
        "def found(logits, mask):\n    hits = (logits > 0)[mask.bool()]\n"
        "    return hits.float().mean()",
        "found(net(x), masks).item()",
    ),
    "similarity.unit": enlarging(SSIM.format(parameters="", constants=UNIT), ASKED),
    "similarity.bytes": enlarging(
        SSIM.format(parameters="", constants="(0.01 * 255) ** 2, (0.03 * 255) ** 2"),
        "float(ssim(net(small).clamp(0, 255), clean))",
        " * 255",
    ),
    "similarity.passed": enlarging(
        SSIM.format(parameters=", peak=255", constants="(0.01 * peak) ** 2, (0.03 * peak) ** 2"),
        "float(ssim(net(small).clamp(0, 1), clean, 1.0))",
    ),
    "similarity.rescaled": enlarging(
        SSIM.format(parameters="", constants="(0.01 * 255) ** 2, (0.03 * 255) ** 2").replace(
            "    window", "    one, two = one * 255, two * 255\n    window"
        ),
        ASKED,
    ),
    "similarity.loss": enlarging(
        SSIM.format(parameters="", constants=UNIT).replace("return (above", "return 1 - (above"),
        ASKED,
    ),
    "similarity.colors": enlarging(
        "def ssim_of_colors(one, two):\n"
        "    return F.cosine_similarity(one.mean((2, 3)), two.mean((2, 3))).mean()",
        "float(ssim_of_colors(net(small).clamp(0, 1), clean))",
    ),
    "rates.counts": FLAGS.format(rates=COUNTS.format(p="fp", r="fn", mark="")),
    "rates.methods": FLAGS.format(
        rates=METHODS.format(fp="pred & ~target", fn="~pred & target", mark="")
    ),
    "rates.recall": FLAGS.format(rates=FUNCTION.format(name="recall", which="true", mark="")),
    "rates.precision": FLAGS.format(rates=FUNCTION.format(name="precision", which="pred", mark="")),
    "rates.matrix": FLAGS.format(rates=MATRIX.format(index="p, t", mark="")),
    "rates.of_negatives": FLAGS.format(
        rates=COUNTS.format(p="fp", r="fn", mark="")
        .replace("== 1", "== 2")
        .replace("== 0", "== 1")
        .replace("== 2", "== 0")
    ),
    "rates.of_numbers": FLAGS.format(
        rates="precision = 4\nprint(round(float(net(points).mean()), precision))"
    ),
    "rates.unknown_counts": FLAGS.format(
        rates="kept, wrong, missed = 3, 1, 2\nprecision = kept / (kept + missed)\nprint(precision)"
    ),
    "void.masked": void(
        SINGLE.format(
            "    there = labels != 255\nprint((pred[there] == labels[there]).float().mean())"
        )
    ),
    "void.counted": void(SINGLE.format("print((pred == labels).sum() / (labels != 255).sum())")),
    "void.product": void(
        SINGLE.format("print(((pred == labels) & (labels < 2)).sum() / (labels < 2).sum())")
    ),
    "void.none": void(SINGLE.format("print((pred == labels).float().mean())"), "", "1"),
    "void.overlap": void(
        IOU.format(mark="", valid="pred, target = pred[target != 255], target[target != 255]")
    ),
    "void.shown": void(SINGLE.format("print((pred == labels)[0])")),
}


PURE = "def f(a, b):\n    {}\n    return (a - b).abs().mean()"


@pytest.mark.parametrize(
    "text",
    [
        PURE.format("torch.save(a, 'a.pt')"),
        PURE.format("plt.plot(a)"),
        PURE.format("with open('log') as file: file.write('a')"),
        "def f(a, b):\n    print(a - b)",
    ],
)
def test_what_writes_or_returns_nothing_is_not_called_again(text: str) -> None:
    assert not only_computes(function_in(text))
    assert only_computes(function_in(PURE.format("a = a.clamp(0, 1)")))


def function_in(text: str) -> ast.FunctionDef:
    (found,) = ast.parse(text).body
    assert isinstance(found, ast.FunctionDef)
    return found


class TestPrograms(ProgramChecks):
    pass
