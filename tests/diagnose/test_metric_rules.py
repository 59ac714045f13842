"""Rules about metrics: predictions, labels, and how right answers are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judging import Judged

LOADER = """
from torch.utils.data import DataLoader, TensorDataset

net = Net().eval()
loader = DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True)
"""
MEANS = """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images, labels), batch_size=4)

def validate(net):
    net.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            loss = F.cross_entropy(net(x), y{arguments})
            total += {added}{cause}
    return {result}

print(validate(Net()))
"""
# By the name of a program: the rule, the kind, and the program, with one mistake in a marked line.
BROKEN = {
    "values_of_max": (
        "scores_compared_with_labels",
        "loss/broadcast_metric",
        """
def hits(scores, wanted):
    best, _ = torch.max(scores, 1)  # cause
    return (best == wanted).sum()

net = Net().eval()
with torch.no_grad():
    print(hits(net(images), labels))
""",
    ),
    "first_result_of_max": (
        "scores_compared_with_labels",
        "loss/broadcast_metric",
        """
net = Net()
scores = net(images)
F.cross_entropy(scores, labels).backward()
print(labels.eq(scores.max(dim=-1)[0]).float().mean())  # cause
""",
    ),
    "argmax_of_a_column": (
        "argmax_of_one_output",
        "loss/argmax_of_one_output",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1))
wanted = (labels > 1).long()
with torch.no_grad():
    predicted = net(images).argmax(dim=1)  # cause
    print((predicted == wanted).float().mean())
""",
    ),
    "view_in_the_loss": (
        "reshape_mixes_classes",
        "loss/target_shape_segmentation",
        """
net, masks = nn.Conv2d(3, 4, 1), torch.randint(0, 4, (16, 6, 6))
for _ in range(2):
    net.zero_grad()
    scores = net(images)
    flat = scores.view(-1, 4)  # cause
    F.cross_entropy(flat, masks.view(-1)).backward()
""",
    ),
    "reshape_in_the_metric": (
        "reshape_mixes_classes",
        "loss/broadcast_metric",
        """
net, masks = nn.Conv2d(3, 4, 1), torch.randint(0, 4, (16, 6, 6))
with torch.no_grad():
    best = torch.argmax(torch.softmax(net(images), 1).reshape(-1, 4), dim=1)  # cause
    print((best == masks.flatten()).float().mean())
""",
    ),
    "softmax_over_samples": (
        "softmax_over_samples",
        "loss/softmax_dimension",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4), nn.LogSoftmax(dim=0))  # cause
for _ in range(2):
    net.zero_grad()
    F.nll_loss(net(images), labels).backward()
""",
    ),
    "softmax_over_samples_of_pixels": (
        "softmax_over_samples",
        "loss/softmax_dimension",
        """
net, masks = nn.Conv2d(3, 4, 1), torch.randint(0, 4, (16, 6, 6))
for _ in range(2):
    net.zero_grad()
    F.nll_loss(F.log_softmax(net(images), dim=0), masks).backward()  # cause
""",
    ),
    "mean_of_counts": (
        "accuracy_divided_by_batches",
        "loss/broadcast_metric",
        LOADER
        + """
counts = []
with torch.no_grad():
    for x, y in loader:
        counts.append((net(x).argmax(1) == y).sum().item())
print(sum(counts) / len(counts))  # cause
""",
    ),
    "divided_by_batches": (
        "accuracy_divided_by_batches",
        "loss/broadcast_metric",
        LOADER
        + """
def evaluate(model, batches):
    right = 0
    with torch.no_grad():
        for step, (x, y) in enumerate(batches):
            found = (model(x).argmax(1) == y).sum()
            right += found.item()
    return 100.0 * right / len(batches)  # cause

print(evaluate(net, loader))
""",
    ),
    "sum_divided_by_batches": (
        "accuracy_divided_by_batches",
        "loss/broadcast_metric",
        LOADER
        + """
def right_answers(scores, wanted):
    return scores.argmax(1).eq(wanted).sum().item()

with torch.no_grad():
    right = sum(right_answers(net(x), y) for x, y in loader)
print(right / len(loader))  # cause
""",
    ),
    "divided_by_a_count_of_batches": (
        "accuracy_divided_by_batches",
        "loss/broadcast_metric",
        LOADER
        + """
hits, seen = 0.0, 0
for x, y in loader:
    with torch.no_grad():
        hits += torch.sum(net(x).argmax(1).eq(y)).item()
    seen += 1  # cause
print(hits / seen)
""",
    ),
    "counted_over_all_epochs": (
        "accuracy_not_reset",
        "training/metric_not_reset",
        LOADER
        + """
def train(model, epochs):
    right, seen = 0, 0  # cause
    for epoch in range(epochs):
        for x, y in loader:
            model.zero_grad()
            scores = model(x)
            F.cross_entropy(scores, y).backward()
            right += (scores.argmax(1) == y).sum().item()
            seen += len(y)
        print(epoch, right / seen)

train(net, 3)
""",
    ),
    "counted_in_attributes": (
        "accuracy_not_reset",
        "training/metric_not_reset",
        LOADER
        + """
class Evaluation:
    def __init__(self, model):
        self.model = model
        self.right = 0  # cause

    @torch.no_grad()
    def run(self):
        for x, y in loader:
            self.right += (self.model(x).argmax(1) == y).float().sum().item()
        return self.right / len(labels)

evaluation = Evaluation(net)
print(evaluation.run(), evaluation.run())
""",
    ),
    "rounded_down": (
        "accuracy_rounded_down",
        "loss/broadcast_metric",
        LOADER
        + """
right = total = 0
for x, y in loader:
    with torch.no_grad():
        right += int((net(x).argmax(1) == y).sum())
    total += y.size(0)
print(right // total)  # cause
""",
    ),
    "state_that_is_never_reset": (
        "metric_of_right_answers",
        "training/metric_not_reset",
        """
counts = {"right": 0, "all": 0}

def accuracy(scores, wanted):
    counts["right"] += (scores.argmax(1) == wanted).sum().item()  # cause
    counts["all"] += len(wanted)
    return counts["right"] / counts["all"]

net = Net().eval()
with torch.no_grad():
    for _ in range(3):
        print(accuracy(net(images), labels))
""",
    ),
    "a_wrong_divisor": (
        "metric_of_right_answers",
        "loss/broadcast_metric",
        """
def accuracy(scores, wanted):
    right = (scores.argmax(1) == wanted).float()
    return right.sum() / scores.shape[1]  # cause

net = Net().eval()
with torch.no_grad():
    print(accuracy(net(images), labels))
""",
    ),
    "means_divided_by_samples": (
        "mean_losses_divided_by_samples",
        "loss/broadcast_metric",
        MEANS.format(
            arguments="",
            added="loss.item()",
            result="total / len(loader.dataset)",
            cause="  # cause",
        ),
    ),
    "means_divided_by_samples_twice": (
        "mean_losses_divided_by_samples",
        "loss/broadcast_metric",
        MEANS.format(
            arguments="",
            added="loss.item()",
            result="total / len(loader.dataset), total / len(loader.dataset) / 2",
            cause="  # cause",
        ),
    ),
}
HEALTHY = {
    "metrics": """
def accuracy(scores, wanted):
    return (scores.argmax(1) == wanted).float().mean().item()

def percent(scores, wanted, digits=2):
    return round(100 * scores.max(1)[1].eq(wanted).sum().item() / len(wanted), digits)

def right(scores, wanted):
    return (scores.argmax(1) == wanted).sum()

def error(scores, wanted):
    return (scores.argmax(1) != wanted).float().mean()

def among_two(scores, wanted):
    return (scores.topk(2, 1)[1] == wanted[:, None]).any(1).float().mean()

def mean_recall(scores, wanted):
    best = scores.argmax(1)
    return sum((best[wanted == c] == c).float().mean() for c in range(4)) / 4

def overlap(scores, wanted):
    p = scores.softmax(1)[:, 1]
    return 2 * (p * (wanted == 1)).sum() / (p.sum() + (wanted == 1).sum())

def contrast(features, wanted):
    same = wanted[:, None] == wanted
    return (features @ features.T).softmax(1)[same].mean()

def above_chance(scores, wanted):
    return accuracy(scores, wanted) - 0.25

def mark(scores, wanted):
    return 10 * (scores.argmax(1) == wanted).float().mean()

net = Net().eval()
both = accuracy, percent, right, error, among_two, mean_recall, overlap, contrast
with torch.no_grad():
    scores = net(images)
    for metric in (*both, above_chance, mark):
        print(metric(scores, labels))
""",
    "counts_per_epoch": LOADER
    + """
class Meter:
    def __init__(self):
        self.reset()

    def reset(self):
        self.right = self.all = 0

    def update(self, scores, wanted):
        self.right += (scores.argmax(1) == wanted).sum().item()
        self.all += len(wanted)
        return self.right / self.all

meter = Meter()
for epoch in range(2):
    right = total = mean = 0
    meter.reset()
    for x, y in loader:
        with torch.no_grad():
            best = net(x).argmax(1)
            meter.update(net(x), y)
        right += (best == y).sum().item()
        total += len(y)
        mean += (best == y).float().mean().item()
    print(right / total, mean / len(loader), right / len(loader.dataset), meter.right)
""",
    "moved_classes": """
net, masks = nn.Conv2d(3, 6, 1), torch.randint(0, 6, (16, 6, 6))
F.cross_entropy(net(images).permute(0, 2, 3, 1).reshape(-1, 6), masks.view(-1)).backward()
words = nn.Linear(5, 7)
F.cross_entropy(words(torch.randn(3, 7, 5)).view(-1, 7), torch.randint(0, 7, (21,))).backward()
pooled = nn.Conv2d(3, 4, 6)
F.cross_entropy(pooled(images).view(-1, 4), labels).backward()
""",
    "attention_over_instances": """
class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.rate, self.head = nn.Linear(108, 1), nn.Linear(108, 4)

    def forward(self, bag):
        bag = bag.flatten(1)
        weights = torch.softmax(self.rate(bag), dim=0)
        return self.head((weights * bag).sum(0, keepdim=True)), weights

net = Pooled()
F.cross_entropy(net(images)[0], labels[:1]).backward()
""",
    "means_divided_by_batches": MEANS.format(
        arguments="", added="loss.item()", result="total / len(loader)", cause=""
    ),
    "means_times_their_size": MEANS.format(
        arguments="", added="loss.item() * len(x)", result="total / len(loader.dataset)", cause=""
    ),
    "total_times_the_batch_size": MEANS.format(
        arguments="",
        added="loss.item()",
        result="total * loader.batch_size / len(loader.dataset)",
        cause="",
    ),
    "mean_times_the_batch_size": MEANS.format(
        arguments="",
        added="loss.item()",
        result="total / len(loader.dataset) * loader.batch_size",
        cause="",
    ),
    "sums_divided_by_samples": MEANS.format(
        arguments=", reduction='sum'",
        added="loss.item()",
        result="total / len(loader.dataset)",
        cause="",
    ),
    "sums_of_an_old_argument": MEANS.format(
        arguments=", size_average=False",
        added="loss.item()",
        result="total / len(loader.dataset)",
        cause="",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule, kind, _ = BROKEN[name]
    judged[name].assert_cause(rule, kind)


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"a_wrong_divisor", "mean_of_counts"}))
def test_the_first_fix_leaves_no_finding(name: str, judged: Mapping[str, Judged]) -> None:
    judged[name].assert_fix(BROKEN[name][0])


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
