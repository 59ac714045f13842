"""Rules about class masks that are resized, and about sums of losses that go on."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "mask_classes_blended": "data/mask_interpolation",
    "loss_sum_not_reset": "training/metric_not_reset",
    "sum_overwritten": "training/metric_not_reset",
    "mean_off_by_one": "loss/accuracy_divided_by_batches",
}
SEGMENTING = """
import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as TF

class Scenes(Dataset):
    def __init__(self, classes=(0, 2, 4), side=12):
        self.photos = torch.rand(8, 3, 24, 24)
        coarse = torch.tensor(classes)[torch.randint(0, len(classes), (8, 4, 4))]
        self.masks = coarse.repeat_interleave(6, 1).repeat_interleave(6, 2)
        self.side = side

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, i):
        photo = F.interpolate(self.photos[i][None], self.side, mode="bilinear")[0]
        mask = self.masks[i]
        {mask}
        return photo, mask

def train(dataset, classes=5):
    net = nn.Conv2d(3, classes, 3, padding=1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for x, y in DataLoader(dataset, batch_size=4, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y.long()).backward()
        optimizer.step()

train({dataset})
"""
PICTURE = (
    "small = Image.fromarray(mask.numpy().astype(np.uint8)).resize((12, 12), Image.{how})\n"
    "        mask = torch.from_numpy(np.array(small, dtype=np.int64))"
)
FLOATS = "mask = F.interpolate(mask[None, None].float(), size=self.side{mode})[0, 0]"
FITTING = """
from torch.utils.data import DataLoader, TensorDataset

class Fit:
    def __init__(self, net):
        self.net, self.criterion = net, nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
        self.total = 0.0{attribute}

    def train(self, loader):
        self.net.train()
        for x, y in loader:
            self.optimizer.zero_grad()
            self.criterion(self.net(x), y).backward()
            self.optimizer.step()

    @torch.no_grad()
    def validate(self, loader):
        self.net.eval()
        {reset}
        for x, y in loader:
            loss = self.criterion(self.net(x), y)
            {growth}
        return {mean}

data = TensorDataset(images, labels)
fit = Fit(Net())
for epoch in range(3):
    fit.train(DataLoader(data, 8, shuffle=True))
    print(fit.validate(DataLoader(data, 4)))
"""
LOOPS = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
parts = list(zip(images.split(4), labels.split(4)))
{before}
for epoch in range(3):
    {inside}
    for x, y in parts:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item()
        {after_step}
    print(epoch, {mean})
"""
CUT = (  # sides of 24 pixels that blend: 6 x 6 squares do not, if each becomes 3 x 3 pixels
    "small = Image.fromarray(mask.numpy().astype(np.uint8)).resize((10, 10), Image.{how})\n"
    "        photo, mask = photo[:, :10, :10], torch.from_numpy(np.array(small) / 255){cast}"
)
SCORED = """
from torch.utils.data import DataLoader, TensorDataset

def scores(net, loader):
    {start}
    for x, y in loader:
        out = net(x)
        {count}
        {also}
    return {share}

with torch.no_grad():
    print(scores(Net().eval(), DataLoader(TensorDataset(images, labels), batch_size=4)))
"""
COUNT = "right {sign} (out.argmax(1) == y).sum().item(){mark}"


def scored(**parts: str) -> str:
    usual = {"start": "right, loss = 0, 0.0", "also": "", "share": "right / len(loader.dataset)"}
    return SCORED.format(**(usual | parts))


# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "mask_classes_blended.tensor": SEGMENTING.format(
        mask=FLOATS.format(mode=', mode="bilinear", align_corners=False') + ".long()  # cause",
        dataset="Scenes()",
    ),
    "mask_classes_blended.torchvision": SEGMENTING.format(
        mask="mask = TF.resize(mask[None].byte(), [12, 12])[0]  # cause", dataset="Scenes()"
    ),
    "mask_classes_blended.picture": SEGMENTING.format(
        mask=PICTURE.format(how="BILINEAR").replace(")\n", ")  # cause\n"), dataset="Scenes()"
    ),
    "mask_classes_blended.all_classes": SEGMENTING.format(
        mask=PICTURE.format(how="BILINEAR").replace(")\n", ")  # cause\n"),
        dataset="Scenes(tuple(range(10))), 10",
    ),
    "mask_classes_blended.cut_off": SEGMENTING.format(
        mask=CUT.format(how="BILINEAR", cast=".long()").replace(")\n", ")  # cause\n"),
        dataset="Scenes((0, 255)), 2",
    ),
    "sum_overwritten": scored(count=COUNT.format(sign="=", mark="  # cause")),
    "sum_overwritten.of_losses": scored(
        count="loss = F.cross_entropy(out, y).item()  # cause", share="loss / len(loader)"
    ),
    "sum_overwritten.counted": scored(
        start="right = 0\n    total = 0",
        count=COUNT.format(sign="=", mark="  # cause"),
        also="total += len(y)",
        share="100 * right / total",
    ),
    "sum_overwritten.without_a_start": scored(
        start="n = images.shape[0]",
        count=COUNT.format(sign="=", mark="  # cause"),
        share="right / images.shape[0]",
    ),
    "mean_off_by_one": scored(
        count="loss += F.cross_entropy(out, y).item()",
        share="loss / (len(loader) + 1)  # cause",
    ),
    "loss_sum_not_reset.attribute": FITTING.format(
        attribute="  # cause",
        reset="pass",
        growth="self.total += loss.item()",
        mean="self.total / len(loader)",
    ),
    "loss_sum_not_reset.samples": FITTING.format(
        attribute="  # cause",
        reset="pass",
        growth="self.total += loss.item() * len(x)",
        mean="self.total / len(loader.dataset)",
    ),
    "loss_sum_not_reset.loops": LOOPS.format(
        before="running = 0.0  # cause",
        inside="pass",
        after_step="pass",
        mean="running / len(parts)",
    ),
}
HEALTHY = {
    "mask_of_nearest_pixels": SEGMENTING.format(
        mask=FLOATS.format(mode="") + ".long()", dataset="Scenes()"
    ),
    "mask_of_two_classes": SEGMENTING.format(
        mask=FLOATS.format(mode=', mode="bilinear", align_corners=False') + ".round().long()",
        dataset="Scenes((0, 1)), 2",
    ),
    "scores_resized": SEGMENTING.format(
        mask="scores = F.one_hot(mask, 5).permute(2, 0, 1)[None].float()\n"
        '        mask = F.interpolate(scores, self.side, mode="bilinear")[0].argmax(0)',
        dataset="Scenes()",
    ),
    "cut_off_of_nearest_pixels": SEGMENTING.format(
        mask=CUT.format(how="NEAREST", cast=".long()"), dataset="Scenes((0, 255)), 2"
    ),
    "cut_off_by_a_threshold": SEGMENTING.format(
        mask=CUT.format(how="BILINEAR", cast=".gt(0.5).long()"), dataset="Scenes((0, 255)), 2"
    ),
    "added": scored(count=COUNT.format(sign="+=", mark="")),
    "mean_of_all_but_the_first": scored(
        count="if x is not None:\n            loss += F.cross_entropy(out, y).item()",
        share="loss / (len(loader) - 1)",
    ),
    "mean_of_losses": scored(
        count="loss += F.cross_entropy(out, y).item()", share="loss / len(loader)"
    ),
    "best_batch": scored(
        count="now = (out.argmax(1) == y).sum().item()\n        right = max(right, now)",
        share="right / 4",
    ),
    "picture_of_nearest_pixels": SEGMENTING.format(
        mask=PICTURE.format(how="NEAREST"), dataset="Scenes()"
    ),
    "reset_before_the_loop": FITTING.format(
        attribute="",
        reset="self.total = 0.0",
        growth="self.total += loss.item()",
        mean="self.total / len(loader)",
    ),
    "reset_with_the_mean": FITTING.format(
        attribute="",
        reset="pass",
        growth="self.total += loss.item()",
        mean="self.take() / len(loader)\n\n    def take(self):\n"
        "        total, self.total = self.total, 0.0\n        return total",
    ),
    "reset_in_each_epoch": LOOPS.format(
        before="", inside="running = 0.0", after_step="pass", mean="running / len(parts)"
    ),
    "mean_over_all_epochs": LOOPS.format(
        before="running, steps = 0.0, 0",
        inside="pass",
        after_step="steps += 1",
        mean="running / steps",
    ),
    "moving_mean": LOOPS.format(
        before="running = 0.0",
        inside="pass",
        after_step="running *= 0.9",
        mean="running / 10",
    ),
}
FIXED = [name for name in BROKEN if not name.endswith(("picture", "classes", "cut_off", "start"))]


class TestPrograms(FixedProgramChecks):
    pass
