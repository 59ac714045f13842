"""Rules about folds that share a trained network, and about arrays that are shuffled apart."""

from __future__ import annotations

from rule_checks import ProgramChecks

KINDS = {
    "network_shared_by_folds": "data/random_split_twice",
    "arrays_permuted_apart": "data/pairs_out_of_order",
}
LOADED = """
import copy
from torch.utils.data import DataLoader, Subset, TensorDataset

data = TensorDataset(images, labels)

def folds(count, k):
    parts = torch.randperm(count).chunk(k)
    for i in range(k):
        rest = torch.cat([part for j, part in enumerate(parts) if j != i])
        yield Subset(data, rest.tolist()), Subset(data, parts[i].tolist())

def fit(net, optimizer, part, epochs=2):
    net.train()
    for _ in range(epochs):
        for x, y in DataLoader(part, batch_size=4, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

@torch.no_grad()
def score(net, part):
    net.eval()
    return sum((net(x).argmax(1) == y).sum().item() for x, y in DataLoader(part, 8)) / len(part)

"""
SLICED = """
class Validation:
    def __init__(self, k):
        self.parts = torch.arange(16).chunk(k)

    def run(self, epochs):
        {before}
        for i, held in enumerate(self.parts):
            {inside}
            kept = torch.cat([part for j, part in enumerate(self.parts) if j != i])
            for _ in range(epochs):
                net.train()
                for rows in kept[torch.randperm(len(kept))].split(6):
                    optimizer.zero_grad()
                    F.cross_entropy(net(images[rows]), labels[rows]).backward()
                    optimizer.step()
                net.eval()
                with torch.no_grad():
                    print(i, F.cross_entropy(net(images[held]), labels[held]).item())

Validation(4).run(2)
"""
AUGMENTED = """
import copy
from torch.utils.data import DataLoader, Dataset, Subset, SubsetRandomSampler

class Pictures(Dataset):
    def __init__(self, transform=None):
        self.transform = transform
        self.x, self.y = images, labels

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        x = self.x[i]
        return (self.transform(x) if self.transform else x), self.y[i]

def epoch(net, optimizer, loader):
    net.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()

def accuracy(net, loader):
    net.eval()
    with torch.no_grad():
        return sum((net(x).argmax(1) == y).sum().item() for x, y in loader) / len(images)

train_set, valid_set = Pictures(lambda x: x + 0.1 * torch.rand(1)), Pictures()
criterion = nn.CrossEntropyLoss()
order = torch.randperm(16).tolist()
{before}
for k in range(4):
    held = order[k::4]
    kept = [i for i in order if i not in held]
    {inside}
    train = {train}
    valid = {valid}
    for _ in range(2):
        epoch(net, optimizer, train)
        print(k, accuracy(net, valid){also})
{after}
"""
ARRAYS = """
import random
import numpy as np
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(1)

def load(x, y):
    {shuffle}
    return {loaded}

x, y = load(images.numpy(), labels.numpy())
data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for a, b in DataLoader(data, 4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(a), b).backward()
    optimizer.step()
"""
NEW = "optimizer = torch.optim.SGD(net.parameters(), lr=0.05)"
NET, STARTED = "net = Net()", f"net = Net()\n    {NEW}"
SUBSETS = {
    "train": "DataLoader(Subset(train_set, kept), batch_size=4, shuffle=True)",
    "valid": "DataLoader(Subset(valid_set, held), batch_size=8)",
    "also": "",
    "after": "",
}
SAMPLERS = {
    "train": "DataLoader(train_set, batch_size=4, sampler=SubsetRandomSampler(kept))",
    "valid": "DataLoader(train_set, batch_size=4, sampler=SubsetRandomSampler(held))",
}
TRAINING_TOO = ", accuracy(net, DataLoader(Subset(valid_set, kept), 8))"


def augmented(before: str, inside: str = "pass", **parts: str) -> str:
    return AUGMENTED.format(before=before, inside=inside, **(SUBSETS | parts))


# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "network_shared_by_folds.subsets": f"""{LOADED}
net = Net()  # cause
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
accuracies = []
for train, held in folds(16, 4):
    fit(net, optimizer, train)
    accuracies.append(score(net, held))
print(sum(accuracies) / 4)
""",
    "network_shared_by_folds.new_optimizer": f"""{LOADED}
net = Net()  # cause
for train, held in folds(16, 3):
    fit(net, torch.optim.SGD(net.parameters(), lr=0.01), train)
    print(score(net, held))
""",
    "network_shared_by_folds.best_weights": f"""{LOADED}
net = Net()  # cause
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for train, held in folds(16, 4):
    best, state = -1, None
    for epoch in range(2):
        fit(net, optimizer, train, 1)
        accuracy = score(net, held)
        if accuracy > best:
            best, state = accuracy, copy.deepcopy(net.state_dict())
    net.load_state_dict(state)
    print(best)
""",
    "network_shared_by_folds.slices": SLICED.format(
        before=f"net = Net()  # cause\n        {NEW}", inside="pass"
    ),
    "network_shared_by_folds.augmented": augmented(f"net = Net()  # cause\n{NEW}"),
    "network_shared_by_folds.samplers": augmented("net = Net()  # cause", NEW, **SAMPLERS),
    "network_shared_by_folds.training_accuracy": augmented(
        "net = Net()  # cause", NEW, also=TRAINING_TOO
    ),
    "network_shared_by_folds.test_as_well": augmented(
        "net = Net()  # cause",
        f"net.train(); {NEW}",
        also=", accuracy(net, [(images.flip(3), labels)])",
    ).replace("+ 0.1 * torch.rand(1)", "+ 0.0"),
    "arrays_permuted_apart.selected": ARRAYS.format(
        shuffle="x = x[rng.permutation(len(x))]\n    y = y[rng.permutation(len(y))]  # cause",
        loaded="x, y",
    ),
    "arrays_permuted_apart.in_place": ARRAYS.format(
        shuffle="x, y = x.copy(), y.copy()\n    np.random.shuffle(x)\n"
        "    np.random.shuffle(y)  # cause",
        loaded="x, y",
    ),
    "arrays_permuted_apart.one_line": ARRAYS.format(
        shuffle="x, y = x[rng.permutation(16)], y[rng.permutation(16)]  # cause", loaded="x, y"
    ),
    "arrays_permuted_apart.slices": """
import numpy as np

x, y = images.numpy(), labels.numpy()
x = x[np.random.permutation(16)]
y = y[np.random.permutation(16)]  # cause
x, y = torch.from_numpy(x), torch.from_numpy(y)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for i in torch.randperm(16).split(4):
    optimizer.zero_grad()
    F.cross_entropy(net(x[i]), y[i]).backward()
    optimizer.step()
""",
    "arrays_permuted_apart.copies": ARRAYS.format(
        shuffle="x = np.random.permutation(x)\n    y = np.random.permutation(y)  # cause",
        loaded="x, y",
    ),
}
HEALTHY = {
    "one_permutation": ARRAYS.format(
        shuffle="order = rng.permutation(len(x))", loaded="x[order], y[order]"
    ),
    "seeded_twice": ARRAYS.format(
        shuffle="np.random.seed(3)\n    x = x[np.random.permutation(16)]\n"
        "    np.random.seed(3)\n    y = y[np.random.permutation(16)]",
        loaded="x, y",
    ),
    "generators_of_one_seed": ARRAYS.format(
        shuffle="x = x[np.random.RandomState(3).permutation(16)]\n"
        "    y = y[np.random.RandomState(3).permutation(16)]",
        loaded="x, y",
    ),
    "balanced_batches": """
import numpy as np

rng = np.random.default_rng(1)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
positive, negative = np.arange(8), np.arange(8, 16)
for _ in range(2):
    positive = rng.permutation(positive)
    negative = rng.permutation(negative)
    for p, n in zip(positive, negative):
        optimizer.zero_grad()
        F.cross_entropy(net(images[[p, n]]), torch.tensor([1, 0])).backward()
        optimizer.step()
""",
    "indices_of_two_parts": ARRAYS.format(
        shuffle="first, second = list(range(12)), list(range(12, 16))\n"
        "    random.shuffle(first)\n    random.shuffle(second)\n    both = first + second",
        loaded="x[both], y[both]",
    ),
    "network_of_each_fold": f"""{LOADED}
for train, held in folds(16, 4):
    net = Net()
    fit(net, torch.optim.SGD(net.parameters(), lr=0.01), train)
    print(score(net, held))
""",
    "copy_for_each_fold": f"""{LOADED}
base = Net()
for train, held in folds(16, 4):
    net = copy.deepcopy(base)
    fit(net, torch.optim.SGD(net.parameters(), lr=0.01), train)
    print(score(net, held))
""",
    "weights_loaded_for_each_fold": f"""{LOADED}
net = Net()
first = copy.deepcopy(net.state_dict())
for train, held in folds(16, 4):
    net.load_state_dict(first)
    fit(net, torch.optim.SGD(net.parameters(), lr=0.01), train)
    print(score(net, held))
""",
    "weights_drawn_for_each_fold": SLICED.format(
        before="net = Net()",
        inside=f"""for m in net.modules():
                if hasattr(m, "reset_parameters"):
                    m.reset_parameters()
            {NEW}""",
    ),
    "weights_copied_for_each_fold": SLICED.format(
        before="net = Net()\n        first = [p.detach().clone() for p in net.parameters()]",
        inside=f"""for p, old in zip(net.parameters(), first):
                p.data = old.clone()
            {NEW}""",
    ),
    "augmented.network_of_each_fold": augmented("", STARTED, **SAMPLERS),
    "augmented.weights_of_a_file": augmented(
        f"{NET}\nimport io\nfile = io.BytesIO()\ntorch.save(net.state_dict(), file)",
        f"file.seek(0); net.load_state_dict(torch.load(file))\n    {NEW}",
        also=TRAINING_TOO,
    ),
    "augmented.function_that_initializes": augmented(
        f"{NET}\ndef init(m):\n    if isinstance(m, nn.Linear):\n"
        "        nn.init.xavier_uniform_(m.weight)",
        f"net.apply(init)\n    {NEW}",
    ),
    "augmented.random_splits": augmented(
        "", f"order = torch.randperm(16).tolist(); held, kept = order[:5], order[5:]; {STARTED}"
    ),
    "augmented.final_training": augmented(
        "final = Net()",
        STARTED,
        after=f"{NET}\n{NEW}\nfor _ in range(2):\n"
        "    epoch(net, optimizer, DataLoader(train_set, batch_size=4, shuffle=True))\n"
        "print(accuracy(net, DataLoader(valid_set, 8)))",
    ),
    "augmented.one_fold_alone": augmented(f"{NET}\n{NEW}", "held, kept = order[:4], order[4:]"),
    "last_batches_are_dropped": augmented(
        f"{NET}\n{NEW}",
        "pass",
        train="DataLoader(train_set, batch_size=6, shuffle=True, drop_last=True)",
        valid="DataLoader(valid_set, batch_size=8)",
    ).replace("+ 0.1 * torch.rand(1)", "+ 0.0"),
    "last_batches_of_a_part_are_dropped": augmented(
        f"{NET}\n{NEW}",
        "held, kept = order[:3], order[3:]",
        train="DataLoader(Subset(train_set, kept), 4, shuffle=True, drop_last=True)",
        also=TRAINING_TOO,
    ),
    "parts_that_grow": augmented(
        f"{NET}\n{NEW}", "kept, held = order[: 4 + 3 * k], order[4 + 3 * k : 7 + 3 * k]"
    ),
    "pool_of_an_active_learner": augmented(
        f"{NET}\n{NEW}", "kept, held = order[: 8 + 2 * k], order[8 + 2 * k :]"
    ),
    "one_task_after_the_other": augmented(
        f"{NET}\n{NEW}", "held = order[4 * k : 4 * k + 1]\n    kept = order[4 * k + 1 : 4 * k + 4]"
    ),
    "training_accuracy": f"""{LOADED}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
train, held = next(folds(16, 4))
for _ in range(3):
    fit(net, optimizer, train, 1)
    print(score(net, train), score(net, held))
""",
    "next_part_before_it_is_trained_on": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
parts = torch.arange(16).chunk(4)
for now, later in zip(parts, parts[1:]):
    net.train()
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(images[now]), labels[now]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(F.cross_entropy(net(images[later]), labels[later]).item())
""",
    "the_other_task_is_tested": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for task, other in ((0, 8), (8, 0)):
    net.train()
    for _ in range(2):
        optimizer.zero_grad()
        rows = slice(task, task + 8)
        F.cross_entropy(net(images[rows]), labels[rows]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        rows = slice(other, other + 8)
        print(F.cross_entropy(net(images[rows]), labels[rows]).item())
""",
    "old_tasks_are_tested_again": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
tasks = torch.arange(16).chunk(2)
for task in tasks:
    net.train()
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(images[task]), labels[task]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        for old in tasks:
            print(F.cross_entropy(net(images[old]), labels[old]).item())
""",
}


class TestPrograms(ProgramChecks):
    pass
