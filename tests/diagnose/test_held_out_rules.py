"""Rules about parts of the data that are held out: unread, changed with the others, cut short."""

from __future__ import annotations

from rule_checks import ProgramChecks

KINDS = {
    "validation_reads_training": "data/random_split_twice",
    "accuracy_leaves_samples_out": "loss/broadcast_metric",
    "loss_of_sampled_part": "loss/broadcast_metric",
}
LOADED = """
from torch.utils.data import DataLoader, Subset, TensorDataset, random_split

data = TensorDataset(images, labels)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

def fit(net, loader, epochs=2):
    for _ in range(epochs):
        net.train()
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

@torch.no_grad()
def score(net, loader):
    net.eval()
    hits = [(net(x).argmax(1) == y).float() for x, y in loader]
    return torch.cat(hits).mean().item()

"""
MODULE = """
class Data:
    def __init__(self, count):
        order = torch.randperm(16).tolist()
        self.fit_part = Subset(data, order[:count])
        self.valid_part = Subset(data, order[count:])

    def train_loader(self):
        return DataLoader(self.fit_part, 4, shuffle=True)

    def valid_loader(self):
        return DataLoader(self.{part}, 4){cause}

parts = Data(12)
fit(net, parts.train_loader())
print(score(net, parts.valid_loader()))
"""
COUNTED = """
from torch.utils.data import SubsetRandomSampler

class Scores:
    def __init__(self, net, loader):
        self.net, self.loader = net.eval(), loader

    @torch.no_grad()
    def accuracy(self, limit=99):
        right = 0
        for number, (x, y) in enumerate(self.loader):
            right += torch.sum(self.net(x).argmax(1) == y).item()
            if number == limit:
                break
        return right / {divisor}

"""
SAMPLED = """
from torch.utils.data import SubsetRandomSampler

loader = DataLoader(data, batch_size=4, sampler=SubsetRandomSampler(range(12)))
for epoch in range(2):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += {added}
    print("loss", total / {divisor}){mark}
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "validation_reads_training.function": f"""{LOADED}
def loader(part, shuffle=False):
    return DataLoader(part, batch_size=4, shuffle=shuffle)

def main():
    training, held_out = random_split(data, [12, 4])
    print(len(training), len(held_out))
    fit(net, loader(training, shuffle=True))
    print(score(net, loader(training)))  # cause

main()
""",
    "validation_reads_training.class": LOADED + MODULE.format(part="fit_part", cause="  # cause"),
    "validation_reads_training.arrays": f"""{LOADED}
x_train, x_test, y_train, y_test = images[:12], images[12:], labels[:12], labels[12:]
train_data = TensorDataset(x_train, y_train)
test_data = TensorDataset(x_test, y_test)
batches = DataLoader(train_data, batch_size=4, shuffle=True)
test_batches = DataLoader(train_data, batch_size=4)  # cause
for _ in range(2):
    fit(net, batches, 1)
    print(score(net, test_batches))
""",
    "loss_of_sampled_part.size": LOADED
    + SAMPLED.format(
        added="loss.item() * x.size(0)", divisor="len(loader.dataset)", mark="  # cause"
    ),
    "loss_of_sampled_part.length": LOADED
    + SAMPLED.format(added="len(y) * float(loss)", divisor="len(loader.dataset)", mark="  # cause"),
    "accuracy_leaves_samples_out.drop_last": LOADED
    + COUNTED.format(divisor="len(self.loader.dataset)")
    + "print(Scores(net, DataLoader(data, batch_size=6, drop_last=True)).accuracy())  # cause",
    "accuracy_leaves_samples_out.break": LOADED
    + COUNTED.format(divisor="len(self.loader.dataset)  # cause")
    + "print(Scores(net, DataLoader(data, batch_size=4)).accuracy(limit=1))",
    "accuracy_leaves_samples_out.sampler": LOADED
    + COUNTED.format(divisor="len(data)  # cause")
    + "print(Scores(net, DataLoader(data, 4, sampler=SubsetRandomSampler(range(8)))).accuracy())",
    "accuracy_leaves_samples_out.training": f"""{LOADED}
def epoch(net, loader):
    net.train()
    right = 0
    count = len(loader.dataset)
    for x, y in loader:
        optimizer.zero_grad()
        out = net(x)
        F.cross_entropy(out, y).backward()
        optimizer.step()
        right += (out.argmax(dim=1) == y).sum().item()
    return 100 * right / count  # cause

print(epoch(net, DataLoader(data, 6, shuffle=True, drop_last=True)))
""",
}
HEALTHY = {
    "losses_of_what_was_drawn": LOADED
    + SAMPLED.format(added="loss.item() * len(x)", divisor="len(loader.sampler)", mark=""),
    "losses_of_batches": LOADED
    + SAMPLED.format(added="loss.item()", divisor="len(loader)", mark=""),
    "whole_batches": LOADED
    + COUNTED.format(divisor="len(self.loader.dataset)")
    + "print(Scores(net, DataLoader(data, batch_size=4, drop_last=True)).accuracy())",
    "count_of_what_was_read": LOADED
    + COUNTED.format(divisor="(len(self.loader) * self.loader.batch_size)")
    + "print(Scores(net, DataLoader(data, batch_size=6, drop_last=True)).accuracy())",
    "last_batch_that_is_smaller": LOADED
    + COUNTED.format(divisor="len(data)")
    + "print(Scores(net, DataLoader(data, batch_size=6)).accuracy())",
    "parts_that_are_all_read": LOADED + MODULE.format(part="valid_part", cause=""),
    "score_of_the_training_too": f"""{LOADED}
train, val, test = random_split(data, [8, 4, 4])
fit(net, DataLoader(train, 4, shuffle=True))
print(score(net, DataLoader(train, 4)), score(net, DataLoader(val, 4)))
""",
    "few_samples_on_purpose": f"""{LOADED}
few, rest = random_split(data, [8, 8])
fit(net, DataLoader(few, 4, shuffle=True))
print(score(net, DataLoader(few, 4)))
""",
    "held_out_part_without_a_loader": f"""{LOADED}
train, val = random_split(data, [12, 4])
fit(net, DataLoader(train, 4, shuffle=True))
print(score(net, DataLoader(train, 4)), score(net, [data[list(val.indices)]]))
""",
}


class TestPrograms(ProgramChecks):
    """The mistakes are found at their lines, and look-alikes are clean."""
