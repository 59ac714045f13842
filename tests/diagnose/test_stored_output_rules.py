"""Rules about outputs of networks that are stored, and compared with others later."""

from __future__ import annotations

from rule_checks import ProgramChecks

KINDS = {"stored_outputs_of_other_samples": "data/pairs_out_of_order"}
PROGRAM = """
import copy
from torch.utils.data import DataLoader, Dataset, TensorDataset

class Small(nn.Module):
    def __init__(self, outputs=4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
        self.out = nn.Linear(64, outputs)

    def forward(self, x):
        return self.out(self.body(x))

class Numbered(Dataset):
    def __len__(self):
        return len(images)

    def __getitem__(self, i):
        return images[i], labels[i], i

images, labels = torch.randn(32, 3, 6, 6), torch.randint(0, 4, (32,))
data = TensorDataset(images, labels)
loader = DataLoader({data}, batch_size=8, shuffle=True)
teacher, student = Net(), Small()

def fit_teacher():
    optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-3)
    for x, y, *_ in loader:
        optimizer.zero_grad()
        F.cross_entropy(teacher(x), y).backward()
        optimizer.step()
    teacher.eval().requires_grad_(False)

def distance(scores, wanted):
    return {distance}

@torch.no_grad()
def soft_labels(batches):
    {stored}

fit_teacher()
kept = soft_labels(loader){mark}
optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
for epoch in range(3):
    {each_epoch}
    for number, (x, y, *rest) in enumerate(loader):
        {wanted}
        scores = student(x)
        loss = distance(scores, wanted) + {term}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
DISTANCE = "F.kl_div(F.log_softmax(scores / 3, 1), F.softmax(wanted / 3, 1), reduction='batchmean')"
LIST = "return [teacher(x) for x, *_ in batches]"
MARK = "  # cause"


def program(wanted: str = "wanted = kept[number]", stored: str = LIST, **parts: str) -> str:
    usual = {
        "data": "data",
        "distance": DISTANCE,
        "mark": "",
        "each_epoch": "student.train()",
        "term": "F.cross_entropy(scores, y)",
    }
    return PROGRAM.format(wanted=wanted, stored=stored, **(usual | parts))


BROKEN = {
    "stored_outputs_of_other_samples.list": program(mark=MARK),
    "stored_outputs_of_other_samples.mean_squares": program(
        distance="((scores - wanted) ** 2).mean()",
        stored="kept = dict()\n    for i, (x, *_) in enumerate(batches):\n"
        "        kept[i] = teacher(x).softmax(1).cpu()\n    return kept",
        mark=MARK,
    ),
    "stored_outputs_of_other_samples.joined": program(
        distance="-(wanted.softmax(1) * scores.log_softmax(1)).sum(1).mean()",
        stored="return torch.cat([teacher(x) for x, *_ in batches]).split(8)",
        mark=MARK,
    ),
    "stored_outputs_of_other_samples.soft_cross_entropy": program(
        distance="F.cross_entropy(scores, F.softmax(wanted, dim=-1))",
        stored="return torch.stack([teacher(x) for x, *_ in batches])",
        mark=MARK,
    ),
    "stored_outputs_of_other_samples.last_epoch": program(
        distance="F.mse_loss(scores.softmax(1), wanted.softmax(1))",
        wanted="wanted = kept[number]",
        each_epoch="kept = [student(x).detach() for x, _ in loader]  # cause",
    ),
}
AUGMENTED = "x = x + 0.1 * torch.rand(len(x), 1, 1, 1)"
HEALTHY = {
    "same_step": program("with torch.no_grad():\n            wanted = teacher(x)"),
    "same_order_again": program(each_epoch="torch.manual_seed(3)").replace(
        "kept = soft", "torch.manual_seed(3)\nkept = soft"
    ),
    "by_the_number_of_the_sample": program(
        "wanted = kept[rest[0]]",
        data="Numbered()",
        stored="return torch.cat([teacher(x) for x in images.split(8)])",
    ),
    "by_the_number_of_the_sample.list": program(
        "wanted = torch.stack([kept[i] for i in rest[0].tolist()])",
        data="Numbered()",
        stored="return [teacher(x[None])[0] for x in images]",
    ),
    "outputs_of_the_samples_in_the_dataset": program(
        "wanted = rest[0]",
        stored="global loader\n    wanted = torch.cat([teacher(x) for x in images.split(8)])\n"
        "    loader = DataLoader(TensorDataset(images, labels, wanted), 8, shuffle=True)",
    ),
    "batches_are_kept_too": program(
        "x, y, wanted = kept[number]",
        stored="return [(x, y, teacher(x)) for x, y in batches]",
    ),
    "batches_are_kept_too.shuffled": program(
        "x, y, wanted = kept[order[number]]",
        stored="return [(x, y, teacher(x)) for x, y in batches]",
        each_epoch="order = torch.randperm(len(kept)).tolist()",
    ),
    "augmented": program(
        f"{AUGMENTED}\n        with torch.no_grad():\n            wanted = teacher(x)"
    ),
    "views_that_differ": program(
        f"with torch.no_grad():\n            wanted = teacher(x)\n        {AUGMENTED}"
    ),
    "mixed": program(
        "x = 0.7 * x + 0.3 * x.flip(0)\n        with torch.no_grad():\n"
        "            wanted = teacher(x)"
    ),
    "negatives": program(
        "with torch.no_grad():\n            wanted = teacher(x.roll(1, 0))",
        distance="F.relu(1 - (scores - wanted).norm(dim=1)).mean()",
    ),
    "pairs_of_one_class": program(
        "other = torch.stack([images[labels == c][torch.randint(0, (labels == c).sum(), ())] "
        "for c in y])\n        with torch.no_grad():\n            wanted = student(other)"
    ),
    "queue_of_negatives": program(
        "wanted = torch.cat(kept)",
        distance="(F.normalize(scores, dim=1) @ F.normalize(wanted, dim=1).T / 0.1).exp().mean()",
    ),
    "next_frame": program(
        "x, after = images[rest[0]], images[(rest[0] + 1) % 32]\n        with torch.no_grad():\n"
        "            wanted = teacher(after)",
        data="Numbered()",
    ),
    "values_of_the_next_states": program(
        "wanted = torch.rand(8, 1) + 0.9 * kept[number]", distance="F.mse_loss(scores, wanted)"
    ),
    "mean_of_the_stored": program("wanted = torch.stack(kept).mean(0).mean(0).expand(len(x), -1)"),
    "teacher_of_other_data": program(
        stored="return [teacher(torch.randn_like(x)) for x, *_ in batches]"
    ),
}


class TestPrograms(ProgramChecks):
    pass
