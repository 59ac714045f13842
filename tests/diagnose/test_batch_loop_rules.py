"""Sums over batches, dictionaries that no network sees, and discriminators without an opponent."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
LOOPS = """
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(images, labels)
train, val = DataLoader(data, 4, shuffle=True), DataLoader(data, {size})
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

def fit(net):
    net.train()
    for x, y in train:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()

def validate(net):
    net.eval()
    with torch.no_grad():
        {body}

for epoch in range(2):
    fit(net)
    print(validate(net))
"""
STATE = """
import copy
net, other = Net(), Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
F.cross_entropy(net(images), labels).backward()
optimizer.step()
{load}
other.eval()
with torch.no_grad():
    print(other(images).sum())
"""
ADVERSARIES = """
G = nn.Sequential(nn.Linear(8, 36), nn.Tanh(), nn.Unflatten(1, (1, 6, 6)))
D = nn.Sequential(nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128, 1))
of_g, of_d = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (G, D))
bce = nn.BCEWithLogitsLoss()
for real in (torch.rand(32, 1, 6, 6) * 2 - 1).split(8):
    ones, zeros = torch.ones(8, 1), torch.zeros(8, 1)
    fake = G(torch.randn(8, 8))
    {judge}
    of_d.zero_grad()
    loss.backward()
    of_d.step()
    {generate}
    of_g.zero_grad()
    loss.backward()
    of_g.step()
"""


def loops(*body: str, size: int = 4) -> str:
    return LOOPS.format(body="\n        ".join(body), size=size)


def state(load: str) -> str:
    return STATE.format(load=load)


def adversaries(judge: str, generate: str) -> str:
    return ADVERSARIES.format(judge=judge, generate=generate)


COUNT = (
    "    correct += (net(x).argmax(1) == y).sum().item()",
    "    total += len(y)",
)
ADDED = "    losses.append(F.cross_entropy(net(x), y).item())"
MINIMAX = ("loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)", "loss = bce(D(fake), ones)")
CRITIC = "loss = D(fake.detach()).mean() - D(real).mean()"
BROKEN = {
    "begins_in_each_batch": loops(
        "for x, y in val:", f"    correct, total = 0, 0{MARK}", *COUNT, "return correct / total"
    ),
    "begins_in_each_batch.chained": loops(
        "for i, (x, y) in enumerate(val):",
        f"    correct = total = 0.0{MARK}",
        *COUNT,
        "return correct / total",
    ),
    "begins_in_each_batch.list": loops(
        "for x, y in val:", f"    losses = []{MARK}", ADDED, "return sum(losses) / len(losses)"
    ),
    "returns_after_one_batch": loops(
        "correct = total = 0",
        "for x, y in val:",
        *COUNT,
        f"    return correct / total{MARK}",
    ),
    "only_last_batch_is_used": loops(
        "for x, y in val:",
        f"    predicted = net(x).argmax(1){MARK}",
        "return (predicted == y).float().mean().item()",
    ),
    "only_last_batch_is_used.divided": loops(
        "for x, y in val:",
        f"    right = (net(x).argmax(1) == y).sum().item(){MARK}",
        "return right / len(y)",
    ),
    "only_last_batch_is_used.score": loops(
        "for x, y in val:",
        "    x, y = x.to('cpu'), y.to('cpu')",
        "    scores = net(x)",
        f"    accuracy = (scores.argmax(1) == y).float().mean().item(){MARK}",
        "return accuracy",
    ),
    "state_dict_changed_in_place": state(f"other.state_dict().update(net.state_dict()){MARK}"),
    "state_dict_changed_in_place.item": state(
        "for name, value in net.state_dict().items():\n"
        f"    other.state_dict()[name] = value.clone(){MARK}"
    ),
    "one_label_for_both": adversaries(
        f"loss = bce(D(real), ones)\n    loss = loss + bce(D(fake.detach()), ones){MARK}",
        "loss = bce(D(fake), ones)",
    ),
    "generator_helps_critic": adversaries(CRITIC, f"loss = D(fake).mean(){MARK}"),
    "generator_helps_critic.turned": adversaries(
        "loss = D(real).mean() - D(fake.detach()).mean()", f"loss = -torch.mean(D(fake)){MARK}"
    ),
}
HEALTHY = {
    "begins before": loops(
        "correct, total = 0, 0", "for x, y in val:", *COUNT, "return correct / total"
    ),
    "one batch": loops(
        "for x, y in val:",
        "    correct, total = 0, 0",
        *COUNT,
        "return correct / total",
        size=16,
    ),
    "the score of each batch": loops(
        "scores = []",
        "for x, y in val:",
        "    correct, total = 0, 0",
        *COUNT,
        "    scores.append(correct / total)",
        "return sum(scores) / len(scores)",
    ),
    "parts of a batch": loops(
        "worst = 0",
        "for x, y in val:",
        "    wrong = 0",
        "    for a, b in zip(net(x).argmax(1), y):",
        "        wrong += int(a != b)",
        "    worst = max(worst, wrong)",
        "return worst",
    ),
    "returns after": loops(
        "correct = total = 0", "for x, y in val:", *COUNT, "return correct / total"
    ),
    "returns if there is enough": loops(
        "correct = total = 0",
        "for x, y in val:",
        *COUNT,
        "    if total >= 4:",
        "        return correct / total",
    ),
    "returns the only batch": loops(
        "correct = total = 0",
        "for x, y in val:",
        *COUNT,
        "    return correct / total",
        size=16,
    ),
    "returns one batch to look at": loops("for x, y in val:", "    return net(x)[:2].tolist()"),
    "all predictions": loops(
        "found = torch.zeros(0)",
        "for x, y in val:",
        "    found = torch.cat([found, net(x).argmax(1)])",
        "return (found == labels).float().mean().item()",
    ),
    "a running mean": loops(
        "mean = 0.0",
        "for x, y in val:",
        "    right = (net(x).argmax(1) == y).float().mean().item()",
        "    mean = 0.9 * mean + 0.1 * right",
        "return mean",
    ),
    "the last batch is shown": loops(
        "total = 0",
        "for x, y in val:",
        "    predicted = net(x).argmax(1)",
        "    total += (predicted == y).sum().item()",
        "return total, predicted[:2].tolist()",
    ),
    "one batch is chosen": loops(
        "for x, y in val:", "    pass", "return (net(x).argmax(1) == y).float().mean().item()"
    ),
    "loaded": state("other.load_state_dict(net.state_dict())"),
    "copied into": state(
        "for name, value in net.state_dict().items():\n    other.state_dict()[name].copy_(value)"
    ),
    "a kept dictionary": state(
        "weights = other.state_dict()\nweights.update(net.state_dict())\n"
        "other.load_state_dict(weights)"
    ),
    "an item of a kept dictionary": state(
        "weights = copy.deepcopy(net.state_dict())\n"
        "weights['head.bias'] = torch.zeros(4)\nother.load_state_dict(weights)"
    ),
    "minimax": adversaries(*MINIMAX),
    "exchanged labels": adversaries(
        "loss = bce(D(real), zeros) + bce(D(fake.detach()), ones)", "loss = bce(D(fake), zeros)"
    ),
    "smoothed labels": adversaries(
        "loss = bce(D(real), 0.9 * ones) + bce(D(fake.detach()), zeros)",
        "loss = bce(D(fake), ones)",
    ),
    "critic": adversaries(CRITIC, "loss = -D(fake).mean()"),
    "hinge": adversaries(
        "loss = (F.relu(1 - D(real)) + F.relu(1 + D(fake.detach()))).mean()",
        "loss = -D(fake).mean()",
    ),
}
KINDS = {
    "begins_in_each_batch": "loss/broadcast_metric",
    "returns_after_one_batch": "loss/broadcast_metric",
    "only_last_batch_is_used": "loss/broadcast_metric",
    "state_dict_changed_in_place": "state/state_dict_mismatch",
    "one_label_for_both": "loss/wrong_loss",
    "generator_helps_critic": "loss/wrong_loss",
}


class TestPrograms(ProgramChecks):
    pass
