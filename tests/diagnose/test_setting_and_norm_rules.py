"""Settings that no optimizer reads, clipping too early, seeds of samples, and single numbers."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
TRAINING = """
net = {net}
{optimizer}
for epoch in range(3):
    {begin}
    for x, y in zip(images.split({size}), labels.split({size})):
        optimizer.zero_grad()
        {before}
        F.cross_entropy(net(x), y).backward()
        {after}
        optimizer.step()
{end}
"""
SAMPLES = """
import random
import numpy as np
from torch.utils.data import DataLoader, Dataset

class Pictures(Dataset):
    def __init__(self, seed=3):
        self.seed = seed

    def __len__(self):
        return len(images)

    def __getitem__(self, i):
        {item}
        return x, labels[i]

net = Net()
optimizer = torch.optim.SGD(net.parameters(), 0.01)
for epoch in range(2):
    for x, y in DataLoader(Pictures(), 4, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
SGD = "optimizer = torch.optim.SGD(net.parameters(), lr=0.1)"
CLIP = "nn.utils.clip_grad_norm_(net.parameters(), 1.0)"
INFER = "net.eval()\nwith torch.no_grad():\n    print(net(images).argmax(1))"


def training(**parts: object) -> str:
    usual = {"net": "Net()", "optimizer": SGD, "begin": "pass", "before": "pass"}
    return TRAINING.format(**(usual | {"after": "pass", "size": 8, "end": ""} | parts))


def samples(*item: str) -> str:
    return SAMPLES.format(item="\n        ".join(item))


def groups(key: str, mark: str = "") -> str:
    return (
        "optimizer = torch.optim.SGD(\n"
        f"    [{{'params': net.conv.parameters(), {key}: 1e-4}},{mark}\n"
        "     {'params': [*net.norm.parameters(), *net.head.parameters()]}],\n    lr=0.1,\n)"
    )


def head(*layers: str) -> str:
    return f"nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), {', '.join(layers)})"


FLIP = "x = images[i].flip(-1) if random.random() < 0.5 else images[i]"
BROKEN = {
    "clips_after_step": training(before=CLIP + MARK),
    "group_key_is_not_read": training(optimizer=groups("'learning_rate'", MARK)),
    "defaults_are_not_read": training(begin=f"optimizer.defaults['lr'] *= 0.5{MARK}"),
    "defaults_are_not_read.set": training(
        begin=f"optimizer.defaults['lr'] = 0.1 / (epoch + 1){MARK}"
    ),
    "one_number_is_normalized": training(
        net=head(f"nn.Linear(8, 1), nn.LayerNorm(1), nn.Linear(1, 4){MARK}\n")
    ),
    "one_number_is_normalized.function": training(
        net="Scaled()",
        optimizer=SGD,
    ).replace(
        "net = Scaled()",
        "class Scaled(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.one, self.head = nn.Linear(108, 1), nn.Linear(1, 4)\n\n"
        "    def forward(self, x):\n"
        f"        x = F.normalize(self.one(x.flatten(1)), dim=1){MARK}\n"
        "        return self.head(x)\n\nnet = Scaled()",
    ),
    "seeded_in_every_sample": samples(f"random.seed(42){MARK}", FLIP),
    "seeded_in_every_sample.torch": samples(
        f"torch.manual_seed(self.seed){MARK}", "x = images[i] + 0.1 * torch.randn(3, 6, 6)"
    ),
    "batches_of_one": training(size=1, end=INFER).replace(").backward()", f").backward(){MARK}"),
}
HEALTHY = {
    "clipped before the step": training(after=CLIP),
    "clipped twice": training(before=CLIP, after=CLIP),
    "lr in a group": training(optimizer=groups("'lr'")),
    "a name in a group": training(optimizer=groups("'scale'")),
    "a key that the program reads": training(
        optimizer=groups("'learning_rate'"),
        begin="for group in optimizer.param_groups:\n"
        "        group['lr'] = group.get('learning_rate', 0.1) / (epoch + 1)",
    ),
    "changed in the groups": training(
        begin="for group in optimizer.param_groups:\n        group['lr'] *= 0.5"
    ),
    "defaults of new groups": training(
        begin="optimizer.defaults['lr'] *= 0.5\n    extra = nn.Parameter(torch.zeros(1))\n"
        "    optimizer.add_param_group({'params': [extra]})"
    ),
    "defaults that are read": training(begin="print(optimizer.defaults['lr'])"),
    "several numbers": training(net=head("nn.LayerNorm(8)", "nn.Linear(8, 4)")),
    "one output": training(net=head("nn.Linear(8, 1)", "nn.BatchNorm1d(1)", "nn.Linear(1, 4)")),
    "seeded by the index": samples("random.seed(i)", FLIP),
    "seeded by a draw": samples("seed = random.randrange(1000)", "random.seed(seed)", FLIP),
    "a generator of its own": samples(
        "rng = random.Random(42 + i)",
        "x = images[i].flip(-1) if rng.random() < 0.5 else images[i]",
    ),
    "seeded without a draw": samples("random.seed(42)", "x = images[i]"),
    "another generator is seeded": samples("np.random.seed(0)", FLIP),
    "restored": samples(
        "state = random.getstate()",
        "random.seed(42)",
        "order = random.sample(range(3), 3)",
        "random.setstate(state)",
        "x = images[i][order]",
    ),
    "batches of one without eval": training(size=1),
    "batches of one, in eval mode": training(size=1, begin="net.norm.eval()", end=INFER),
    "batches of one, without a norm": training(size=1, net=head("nn.Linear(8, 4)"), end=INFER),
}
KINDS = {
    "clips_after_step": "training/not_learning",
    "group_key_is_not_read": "training/not_learning",
    "defaults_are_not_read": "training/not_learning",
    "one_number_is_normalized": "training/not_learning",
    "seeded_in_every_sample": "data",
    "batches_of_one": "training/bn_train_eval_gap",
}


class TestPrograms(ProgramChecks):
    pass
