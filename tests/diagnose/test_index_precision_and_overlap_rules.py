"""Rules about indices, half precision, overlaps of masks, early returns, Normalize and steps."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "index_not_mapped": "data/pairs_out_of_order",
    "half_weights_in_autocast": "dtype/half_vs_float",
    "overlap_of_logits": "loss",
    "loop_over_layers_returns": "training/unused_layer",
    "evaluation_not_normalized": "data/normalize_range",
    "optimizer_never_steps": "training/not_learning",
    "result_lost_in_loop": "training/unused_layer",
}
SPLIT = """
from torch.utils.data import DataLoader, Dataset

class Part(Dataset):
    def __init__(self, images, labels, rows):
        self.images, self.labels, self.rows = images, labels, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        {sample}

net = Net()
optimizer = torch.optim.Adam(net.parameters())
for x, y in DataLoader(Part(images, {labels}, torch.randperm(16)[:12]), 4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
ROW = """row = int(self.rows[index])
        label = self.labels[{index}]{mark}
        return self.images[row], label"""
DIRECT = "return self.images[self.rows[index]], self.labels[{index}]{mark}"
MIXED = """
net = {net}{mark}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in zip(images.split(4), labels.split(4)):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16{enabled}):
        loss = F.cross_entropy(net(x{cast}).float(), y)
    loss.backward()
    optimizer.step()
"""
MASKS = """
masks = (images.mean(1, keepdim=True) > 0).float()
net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1){last})
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

{loss}

for _ in range(3):
    optimizer.zero_grad()
    overlap(net(images), masks).backward()
    optimizer.step()
"""
NAMED = """def overlap(outputs, masks):
    scores = outputs.flatten(1){activation}{mark}
    masks = masks.flatten(1)
    shared = (scores * masks).sum(1)
    return 1 - ((2 * shared + 1) / (scores.sum(1) + masks.sum(1) + 1)).mean()"""
PARAMETER = """def overlap(scores, masks):
    shared = torch.sum(scores * masks){mark}
    total = (scores + masks).sum()
    return 1 - (shared + 1e-6) / (total - shared + 1e-6)"""
WEIGHTED = """def overlap(scores, weights):
    return (scores * weights).sum() / weights.sum()"""
LOOP = """
class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(3)])
        self.head = nn.Linear(3, 4)

    def features(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
            {first}
        return x

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))

net = Deep()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in zip(images.split(4), labels.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
NORMALIZED = """
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

normal = transforms.Normalize([0.5] * 3, [0.2] * 3)
fitting = transforms.Compose([transforms.Normalize([0.5] * 3, [0.2] * 3)])
judging = transforms.Compose([{judging}]){mark}

class Pictures(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 16

    def __getitem__(self, index):
        return self.transform(torch.rand(3, 6, 6)), index % 4

net = Net()
optimizer = torch.optim.Adam(net.parameters())
for x, y in DataLoader(Pictures(fitting), 4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    print(sum((net(x).argmax(1) == y).sum().item() for x, y in DataLoader(Pictures(judging), 4)))
"""
REFINED = """
class Refined(nn.Module):
    def __init__(self):
        super().__init__()
        self.units = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)])
        self.head = nn.Linear(3, 4)

    def forward(self, *maps):
        {refine}
        total = sum(F.relu(x) for x in maps)
        return self.head(total.mean((2, 3)))

net = Refined()
optimizer = torch.optim.SGD([{{"params": net.head.parameters()}}], lr=0.01)
for x, y in zip(images.split(4), labels.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(net(x, x.flip(3)), y).backward()
    optimizer.step()
"""
SCHEDULED = """
net = Net()
optimizer = torch.optim.Adam(net.parameters())
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10)
for x, y in zip(images.split(4), labels.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    if schedule:
        {steps}
    else:
        optimizer.step()
"""
MARK = "  # cause"
BROKEN = {
    "index_not_mapped.by_a_name": SPLIT.format(
        sample=ROW.format(index="index", mark=MARK), labels="labels"
    ),
    "index_not_mapped.in_one_expression": SPLIT.format(
        sample=DIRECT.format(index="index", mark=MARK), labels="labels"
    ),
    "half_weights_in_autocast.to": MIXED.format(
        net='Net().to("cpu", torch.bfloat16)', mark=MARK, enabled="", cast=""
    ),
    "half_weights_in_autocast.method": MIXED.format(
        net="Net().bfloat16()", mark=MARK, enabled="", cast=""
    ),
    "overlap_of_logits.dice": MASKS.format(last="", loss=NAMED.format(activation="", mark=MARK)),
    "overlap_of_logits.iou": MASKS.format(last="", loss=PARAMETER.format(mark=MARK)),
    "loop_over_layers_returns": LOOP.format(first=f"return x{MARK}"),
    "evaluation_not_normalized": NORMALIZED.format(judging="transforms.Resize(6)", mark=MARK),
    "result_lost_in_loop": REFINED.format(
        refine=f"for unit, x in zip(self.units, maps):\n            x = unit(x){MARK}"
    ),
    "optimizer_never_steps": SCHEDULED.format(steps=f"schedule.step(){MARK}"),
}
FIXED = [name for name in BROKEN if name != "result_lost_in_loop"]
HEALTHY = {
    "mapped": SPLIT.format(sample=ROW.format(index="row", mark=""), labels="labels"),
    "mapped_in_one_expression": SPLIT.format(
        sample=DIRECT.format(index="self.rows[index]", mark=""), labels="labels"
    ),
    "labels_of_the_part": SPLIT.format(
        sample=ROW.format(index="index", mark=""), labels="torch.arange(12) % 4"
    ),
    "float_weights": MIXED.format(net="Net()", mark="", enabled="", cast=""),
    "all_in_bfloat16": MIXED.format(
        net="Net().bfloat16()", mark="", enabled=", enabled=False", cast=".bfloat16()"
    ),
    "dice_of_probabilities": MASKS.format(
        last="", loss=NAMED.format(activation=".sigmoid()", mark="")
    ),
    "iou_of_probabilities": MASKS.format(last=", nn.Sigmoid()", loss=PARAMETER.format(mark="")),
    "evaluation_normalized": NORMALIZED.format(judging="transforms.Resize(6), normal", mark=""),
    "refined": REFINED.format(
        refine="maps = [unit(x) for unit, x in zip(self.units, maps)]"
    ).replace('[{"params": net.head.parameters()}]', "net.parameters()"),
    "steps_of_both": SCHEDULED.format(steps="optimizer.step(), schedule.step()"),
    "returns_after_the_loop": LOOP.format(first="x = x + 0"),
    "weighted_mean_of_scores": MASKS.format(last="", loss=WEIGHTED),
}


class TestRules(FixedProgramChecks):
    """The programs of this module."""
