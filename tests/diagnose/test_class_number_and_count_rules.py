"""Rules about overlaps of class numbers, and about counts that stand after their loop."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "bits_of_classes": "loss/broadcast_metric",
    "counted_after_the_loop": "training/metric_not_reset",
}
MAPS = """
import numpy as np

net = nn.Conv2d(3, {classes}, 1)
pixels = torch.arange(576).reshape(16, 6, 6) % {classes}

{function}

with torch.no_grad():
    scores = net(images)
    print(float(metric({scores}, pixels)))
"""
LOADER = """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True)
net = Net().eval()

{code}
"""


def maps(function: str, scores: str = "scores.argmax(1)", classes: int = 5) -> str:
    return MAPS.format(function=function, scores=scores, classes=classes)


def loader(code: str) -> str:
    return LOADER.format(code=code)


BROKEN = {
    "bits_of_classes": maps(
        "def metric(found, wanted):\n"
        "    both = (found & wanted).float().sum()  # cause\n"
        "    return both / (found | wanted).float().sum()"
    ),
    "bits_of_classes.functions": maps(
        "def metric(scores, wanted):\n"
        "    found = scores.max(1)[1].view(-1).int()\n"
        "    wanted = wanted.view(-1).int()\n"
        "    both = torch.bitwise_and(found, wanted)  # cause\n"
        "    return both.sum((0,)) / torch.bitwise_or(found, wanted).sum((0,))",
        scores="scores",
    ),
    "bits_of_classes.method": maps(
        "class IoU:\n"
        "    def __call__(self, scores, wanted):\n"
        "        found = torch.softmax(scores, 1).topk(1, 1).indices.squeeze(1)\n"
        "        shared = found.bitwise_and(wanted)  # cause\n"
        "        return shared.double().mean() / found.bitwise_or(wanted).double().mean()\n"
        "metric = IoU()",
        scores="scores",
    ),
    "counted_after_the_loop": loader("""
with torch.no_grad():
    correct, total = 0, 0
    for x, y in loader:
        predicted = net(x).argmax(1)
        total += y.size(0)
    correct += (predicted == y).sum().item()  # cause
    print(100 * correct / total)
"""),
    "counted_after_the_loop.loss": loader("""
def evaluate(net, data):
    total_loss = 0.0
    with torch.no_grad():
        for batch in data:
            x, y = batch
            loss = F.cross_entropy(net(x), y)
        total_loss += loss.item()  # cause
    return total_loss / len(data)

print(evaluate(net, loader))
"""),
    "counted_after_the_loop.training": loader("""
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(2):
    net.train()
    running, seen = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        seen += len(y)
    running += loss.item() * len(y)  # cause
    average = running / seen
    print(epoch, average)
"""),
    "counted_after_the_loop.assigned": loader("""
count = 0
with torch.no_grad():
    for x, y in loader:
        y = y.long()
        scores = net(x)
        count += len(y)
    right = (scores.argmax(1) == y).sum().item()  # cause
accuracy = right / count
print(accuracy)
"""),
}
HEALTHY = {
    "masks_of_one_class": maps(
        "def metric(found, wanted):\n"
        "    scores = []\n"
        "    for c in range(5):\n"
        "        both = ((found == c) & (wanted == c)).sum()\n"
        "        either = ((found == c) | (wanted == c)).sum()\n"
        "        scores.append((both + 1e-6) / (either + 1e-6))\n"
        "    return torch.stack(scores).mean()"
    ),
    "two_classes": maps(
        "def metric(found, wanted):\n"
        "    return (found & wanted).float().sum() / (found | wanted).float().sum()",
        classes=2,
    ),
    "masks_as_integers": maps(
        "def metric(found, wanted):\n"
        "    found, wanted = F.one_hot(found, 5), F.one_hot(wanted, 5)\n"
        "    return (found & wanted).sum() / (found | wanted).sum()"
    ),
    "compared_bits": maps(
        "def metric(found, wanted):\n"
        "    shares_a_bit = (found & wanted) != 0\n"
        "    return shares_a_bit.float().mean()"
    ),
    "hash_of_classes": maps(
        "def metric(found, wanted):\n"
        "    mixed = (found << 8) | wanted\n"
        "    return torch.unique(mixed).numel()"
    ),
    "bytes_of_masks": maps(
        "def metric(found, wanted):\n"
        "    found, wanted = (found > 0).byte() * 255, (wanted > 0).byte() * 255\n"
        "    return ((found & wanted) > 0).float().sum() / ((found | wanted) > 0).float().sum()"
    ),
    "flags_of_attributes": """
flags = torch.randint(0, 16, (40,))
allowed = torch.randint(0, 16, (40,))
bits = sum(((flags & allowed) >> k) & 1 for k in range(4))
print((flags & allowed).sum(), bits.float().mean(), Net()(images).shape)
""",
    "table_of_bits": maps(
        "def metric(found, wanted):\n"
        "    bits = torch.tensor([bin(n).count('1') for n in range(8)])\n"
        "    return bits[found & wanted].sum() / bits[found | wanted].sum()"
    ),
    "wrong_ones_by_xor": maps(
        "def metric(found, wanted):\n    return ((found ^ wanted) != 0).float().mean()"
    ),
    "joined_predictions": loader("""
outputs, targets, total, correct = [], [], 0, 0
with torch.no_grad():
    for x, y in loader:
        predicted = net(x).argmax(1)
        outputs.append(predicted)
        targets.append(y)
        total += len(y)
    predicted, y = torch.cat(outputs), torch.cat(targets)
    correct += (predicted == y).sum().item()
    print(correct / total)
"""),
    "grown_in_the_loop": loader("""
predicted, wanted, total, right = torch.tensor([]), torch.tensor([]), 0, 0
with torch.no_grad():
    for x, y in loader:
        predicted = torch.cat([predicted, net(x).argmax(1)])
        wanted = torch.cat([wanted, y])
        total += len(y)
    right += (predicted == wanted).sum().item()
print(right / total)
"""),
    "last_batch_by_its_size": loader("""
total = 0
with torch.no_grad():
    for x, y in loader:
        predicted = net(x).argmax(1)
        total += len(y)
    right = (predicted == y).sum().item()
    print("last batch", right / len(y), "of", total)
"""),
    "sums_of_epochs": loader("""
total, epochs, seen = 0.0, 2, 0
for epoch in range(epochs):
    batch_losses = 0.0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y).item()
        batch_losses += loss
        seen += len(y)
    total += batch_losses / len(loader)
print(total / epochs, seen)
"""),
    "sum_of_a_sum": loader("""
total, count = 0.0, 0
part = 0.0
with torch.no_grad():
    for x, y in loader:
        part += F.cross_entropy(net(x), y, reduction="sum").item()
        count += len(y)
    total += part
print(total / count)
"""),
    "remainder_after_the_loop": loader("""
right, count, kept = 0, 0, []
with torch.no_grad():
    for x, y in loader:
        kept = kept + [(x, y)]
        count += len(y)
        if len(kept) == 3:
            xs, ys = (torch.cat(parts) for parts in zip(*kept))
            right += (net(xs).argmax(1) == ys).sum().item()
            kept = []
    xs, ys = (torch.cat(parts) for parts in zip(*kept))
    right += (net(xs).argmax(1) == ys).sum().item()
print(right / count)
"""),
    "one_batch": loader("""
whole = DataLoader(TensorDataset(images, labels), batch_size=16)
correct = total = 0
with torch.no_grad():
    for x, y in whole:
        predicted = net(x).argmax(1)
        total += len(y)
    correct += (predicted == y).sum().item()
print(correct / total)
"""),
    "epochs_by_steps": loader("""
steps = 0
for i, (x, y) in enumerate(loader):
    loss = F.cross_entropy(net(x), y)
    print(loss.item())
steps += i + 1
print(f"epoch {steps / len(loader):.2f}")
"""),
    "losses_of_epochs": loader("""
epochs, losses, steps = 2, 0.0, 0
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(epochs):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        steps += 1
    losses += loss.item()
print("loss of the last batches", losses / epochs, steps)
"""),
}
FIXED = ["counted_after_the_loop"]


class TestPrograms(FixedProgramChecks):
    pass
