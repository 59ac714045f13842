"""Weights of classes that grow with the frequency of the classes."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
RARE = """
import numpy as np
from collections import Counter
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

labels = torch.tensor([0] * 40 + [1] * 15 + [2] * 5)[torch.randperm(60)]
images = torch.randn(60, 3, 6, 6)
counts = torch.bincount(labels)
"""
CLASSES = (
    RARE
    + """
{weights}
criterion = {criterion}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in DataLoader(TensorDataset(images, labels), batch_size=12, shuffle=True):
    optimizer.zero_grad()
    {loss}.backward()
    optimizer.step()
"""
)
SAMPLER = (
    RARE
    + """
class Images(Dataset):
    def __init__(self, images, targets):
        self.images = images
        self.targets = targets

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]

def loader_of(dataset):
    targets = dataset.targets
    {weights}
    sampler = WeightedRandomSampler({given}, {number})
    return DataLoader(dataset, batch_size=12, sampler=sampler)

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in loader_of(Images(images, labels.tolist())):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
)
BINARY = """
targets = (torch.arange(120).view(40, 3) % torch.tensor([5, 8, 10]) == 0).float(){column}
images = torch.randn(40, 3, 6, 6)
positives = targets.sum({dim})
negatives = len(targets) - positives

class Tagger(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(64, targets.shape[1])
        self.weight = weight

    def forward(self, x):
        return self.head(self.features(x))

    def loss(self, x, y):
        return F.binary_cross_entropy_with_logits(self(x), y, pos_weight=self.weight)

{weight}
net = Tagger(weight)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for at in range(0, 40, 10):
    optimizer.zero_grad()
    net.loss(images[at : at + 10], targets[at : at + 10]).backward()
    optimizer.step()
"""


def classes(weights: str, **parts: str) -> str:
    usual = {
        "criterion": "nn.CrossEntropyLoss(weight=weights)",
        "loss": "criterion(net(x), y)",
    }
    return CLASSES.format(weights=weights, **(usual | parts))


def three(program: str) -> str:
    """Let the network have as many scores as there are classes."""
    return program.replace("net = Net()", "net = Net()\nnet.head = nn.Linear(80, 3)")


def sampler(weights: str, given: str, number: str = "len(targets)") -> str:
    return three(SAMPLER.format(weights=weights, given=given, number=number))


def binary(weight: str, column: str = "", dim: str = "0") -> str:
    return BINARY.format(weight=weight, column=column, dim=dim)


BROKEN = {
    "class_weights_follow_frequency": three(classes(f"weights = counts / counts.sum(){MARK}")),
    "class_weights_follow_frequency.function": three(
        classes(
            "shares = [n / len(labels) for _, n in sorted(Counter(labels.tolist()).items())]"
            f"{MARK}\nweights = torch.tensor(shares)",
            criterion="None",
            loss="F.nll_loss(F.log_softmax(net(x), dim=1), y, weights)",
        )
    ),
    "class_weights_follow_frequency.array": three(
        classes(
            f"shares = np.bincount(labels.numpy()) / len(labels){MARK}\n"
            "weights = torch.from_numpy(shares).float()"
        )
    ),
    "sample_weights_follow_frequency": sampler(
        f"shares = counts.float() / len(targets){MARK}", "shares[torch.tensor(targets)]"
    ),
    "sample_weights_follow_frequency.list": sampler(
        f"sizes = np.bincount(targets){MARK}\n    weights = [sizes[y] for y in targets]", "weights"
    ),
    "pos_weight_is_inverted": binary(f"weight = positives / negatives{MARK}"),
    "pos_weight_is_inverted.one": binary(
        f"weight = torch.tensor(positives.item() / negatives.item()){MARK}", column="[:, 1:2]"
    ),
}
KINDS = {
    "class_weights_follow_frequency": "loss",
    "sample_weights_follow_frequency": "data",
    "pos_weight_is_inverted": "loss",
}
FIXED = list(BROKEN)
HEALTHY = {
    "inverse": three(classes("weights = counts.sum() / counts")),
    "square_root": three(classes("weights = (counts.max() / counts).sqrt()")),
    "background_counts_less": three(classes("weights = torch.tensor([0.1, 1.0, 1.0])")),
    "costs": three(classes("weights = torch.tensor([3.0, 1.0, 1.0])")),
    "equal": three(classes("weights = torch.ones(3)")),
    "inverse_sampler": sampler("shares = 1.0 / counts", "shares[torch.tensor(targets)]"),
    "uniform_sampler": sampler("shares = [1.0] * len(targets)", "shares"),
    "weights_of_samples": sampler("shares = torch.rand(60) + 0.5", "shares"),
    "balanced_by_sampler": three(
        classes("weights = counts / counts.sum()").replace(
            "batch_size=12, shuffle=True",
            "batch_size=12,\n    sampler=WeightedRandomSampler((1.0 / counts)[labels], 600)",
        )
    ),
    "pos_weight": binary("weight = negatives / positives"),
    "precision": binary("weight = torch.tensor([0.5, 0.5, 0.5])"),
    "no_pos_weight": binary("weight = None"),
    "frequent_positives": binary("weight = positives / negatives").replace("== 0", "!= 0"),
}


class TestPrograms(FixedProgramChecks):
    pass
