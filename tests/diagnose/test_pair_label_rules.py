"""The label of a pair means the same to the dataset and to the contrastive loss."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"pair_label_means_the_opposite": "loss/triplet_mining"}
SETUP = """
import random
from torch.utils.data import DataLoader, Dataset, Subset, default_collate

class Glyphs(Dataset):
    def __init__(self, same, count=160, classes=6):
        rng = random.Random(0)
        glyphs = [torch.rand(1, 8, 8) for _ in range(classes)]
        self.pairs = []
        for i in range(count):
            first = rng.randrange(classes)
            other = (first + rng.randrange(1, classes)) % classes
            second, label = (first, same) if i % 2 else (other, 1 - same)
            pair = [glyphs[k] + 0.1 * torch.randn(1, 8, 8) for k in (first, second)]
            self.pairs.append((*pair, float(label)))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return {item}

def encoder():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8))
"""
MODULE = (
    SETUP.replace("{item}", "self.pairs[index]")
    + """
class Contrastive(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, y):
        d = F.pairwise_distance(a, b)
        near = NEAR * d ** 2MARK
        far = FAR * torch.clamp(self.margin - d, min=0.0).pow(2)
        return 0.5 * (near + far).mean()

net = encoder()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
criterion = Contrastive()
loader = DataLoader(DATA, batch_size=32, shuffle=True)
for epoch in range(2):
    for a, b, y in loader:
        optimizer.zero_grad()
        criterion(net(a), net(b), y).backward()
        optimizer.step()
"""
)
FUNCTION = (
    SETUP.replace("{item}", "self.pairs[index][:2], torch.tensor([int(self.pairs[index][2])])")
    + """
def contrastive(d2, differs, margin=1.0):
    d = (d2 + 1e-8).sqrt()
    return torch.mean(WEIGHT * d2 + OTHER * F.relu(margin - d) ** 2)MARK

class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = encoder()

    def forward(self, pair):
        first, second = (F.normalize(self.trunk(x)) for x in pair)
        return (first - second).pow(2).sum(dim=1, keepdim=True)

def train(net, loader):
    optimizer = torch.optim.Adam(net.parameters())
    for pair, target in loader:
        loss = contrastive(net(pair), LABEL)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

train(Siamese(), DataLoader(Subset(Glyphs(same=SAME, count=200), range(160)), 20))
"""
)
INVERTED = """
class Inverted(Glyphs):
    def __getitem__(self, index):
        first, second, label = self.pairs[index]
        return (first, 1 - second, label) if label else (first, second, label)
"""
# The frames of one moment are pulled together, and those of one camera are pushed apart.
CAMERAS = """
class Cameras(Dataset):
    def __init__(self, mixed):
        views = 3 * torch.rand(2, 1, 8, 8)
        steps = torch.randn(170, 1, 8, 8).cumsum(0) * 0.1
        seen = torch.stack([steps, steps.transpose(2, 3).flip(2)])
        self.mixed, self.frames = mixed, seen + views[:, None]

    def __len__(self):
        return 160

    def __getitem__(self, index):
        camera = index // 2 % 2 if self.mixed else 0
        first = self.frames[camera, index]
        if index % 2:
            return first, self.frames[1 - camera, index], 1.0
        return first, self.frames[camera, index + 3], 0.0
"""
FLIPPING = """
def flipped(samples):
    a, b, y = default_collate(samples)
    return a, b, 1 - y
"""


def module(near: str, far: str, data: str, *, mark: str = "", setup: str = "") -> str:
    text = MODULE.replace("class Contrastive", f"{setup}\nclass Contrastive", 1)
    for name, part in {"NEAR": near, "FAR": far, "DATA": data, "MARK": mark}.items():
        text = text.replace(name, part)
    return text


def function(weight: str, other: str, same: int, *, label: str = "target", mark: str = "") -> str:
    text = FUNCTION.replace("WEIGHT", weight).replace("OTHER", other)
    return text.replace("SAME", str(same)).replace("LABEL", label).replace("MARK", mark)


MARK = "  # cause"
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "pair_label_means_the_opposite.module": module("(1 - y)", "y", "Glyphs(1)", mark=MARK),
    "pair_label_means_the_opposite.other": module("y", "(1 - y)", "Glyphs(0)", mark=MARK),
    "pair_label_means_the_opposite.function": function(
        "(1 - differs)", "differs", same=1, mark=MARK
    ),
    "pair_label_means_the_opposite.compared": function(
        "0.5 * differs", "(1 - differs)", same=1, label="(target == 0).float()", mark=MARK
    ),
}
HEALTHY = {
    "same_is_one": module("y", "(1 - y)", "Glyphs(1)"),
    "same_is_zero": module("(1 - y)", "y", "Glyphs(0)"),
    "function": function("(1 - differs)", "differs", same=0),
    "flipped_in_the_loop": function("(1 - differs)", "differs", same=1, label="1 - target"),
    "flipped_by_collate": module("(1 - y)", "y", "Glyphs(1), collate_fn=flipped", setup=FLIPPING),
    "pairs_of_other_looks": module("y", "(1 - y)", "Inverted(1)", setup=INVERTED),
    "two_cameras": module("y", "(1 - y)", "Cameras(False)", setup=CAMERAS),
    "two_cameras_in_any_order": module("y", "(1 - y)", "Cameras(True)", setup=CAMERAS),
}
FIXED = ["pair_label_means_the_opposite.module", "pair_label_means_the_opposite.other"]


class TestPrograms(FixedProgramChecks):
    pass
