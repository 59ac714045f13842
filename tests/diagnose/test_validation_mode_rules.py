"""The rule about validation in train mode with a graph, which needs the loaders to be seen."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"validates_in_train_mode": "training/forgot_eval"}
SETUP = """
from torch.utils.data import DataLoader, TensorDataset

training = DataLoader(TensorDataset(images[:12], labels[:12]), batch_size=4, shuffle=True)
held_out = DataLoader(TensorDataset(images[12:], labels[12:]), batch_size=2)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)

def step(loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
EPOCHS = f"""{SETUP}
for epoch in range(2):
    for x, y in training:
        step(F.cross_entropy(net(x), y))
"""
BROKEN = {
    "validates_in_train_mode": f"""{EPOCHS}
total, hits = 0.0, 0
for x, y in held_out:
    scores = net(x)  # cause
    total += F.cross_entropy(scores, y).item()
    hits += (scores.argmax(1) == y).sum().item()
print(total / len(held_out), hits / 4)
""",
    "validates_in_train_mode.among_the_steps": f"""{SETUP}
for epoch in range(2):
    for i, (points, target) in enumerate(training):
        points, target = points.transpose(3, 2), target.long()
        step(F.nll_loss(net(points).log_softmax(1), target))
        if i % 2 == 0:
            points, target = next(iter(held_out))
            points = points.transpose(3, 2)
            scores = net(points)  # cause
            print(epoch, i, (scores.data.max(1)[1] == target.data).float().mean().item())
""",
    "validates_in_train_mode.variables": f"""{SETUP}
from torch.autograd import Variable

for epoch in range(3):
    for i, (x, y) in enumerate(training):
        x, y = Variable(x), Variable(y)
        step(F.cross_entropy(net(x.transpose(3, 2)), y))
    _, (x, y) = next(enumerate(held_out))
    x, y = Variable(x), Variable(y)
    scores = net(x.transpose(3, 2))  # cause
    print(F.cross_entropy(scores, y).item(), scores.data.max(1)[1].eq(y.data).sum())
""",
    "validates_in_train_mode.numpy": f"""{EPOCHS}
class Evaluation:
    def __init__(self, network, loader):
        self.network, self.loader = network, loader

    def rows(self):
        for x, _ in self.loader:
            yield self.network(x.float()).cpu().detach().numpy()  # cause

print(sum(rows.argmax(1).sum() for rows in Evaluation(net, held_out).rows()))
""",
}
HEALTHY = {
    "eval_mode": f"""{EPOCHS}
    net.eval()
    with torch.no_grad():
        print(sum((net(x).argmax(1) == y).sum().item() for x, y in held_out))
    net.train()
""",
    "a_second_loader_is_trained_on_too": f"""{SETUP}
for (x, y), (other, _) in zip(training, held_out):
    step(F.cross_entropy(net(x), y) + 0.1 * net(other).softmax(1).square().sum())
""",
    "pseudo_labels": f"""{SETUP}
for (x, y), (other, _) in zip(training, held_out):
    guess = net(other).detach().argmax(1)
    step(F.cross_entropy(net(x), y) + F.cross_entropy(net(other), guess))
""",
    "estimates_batch_statistics": f"""{EPOCHS}
for x, _ in held_out:
    net(x)
net.eval()
with torch.no_grad():
    print(net(images).argmax(1))
""",
    "looks_at_the_shape_first": f"""{SETUP}
x, _ = next(iter(held_out))
print(net(x).softmax(1).shape)
for x, y in training:
    step(F.cross_entropy(net(x), y))
""",
    "training_accuracy_of_the_same_loader": f"""{EPOCHS}
    print(epoch, sum((net(x).argmax(1) == y).sum().item() for x, y in training))
net.eval()
with torch.no_grad():
    print(sum((net(x).argmax(1) == y).sum().item() for x, y in held_out))
""",
    "skips_a_batch": f"""{SETUP}
for x, y in training:
    loss = F.cross_entropy(net(x), y)
    if loss.item() > 5:
        continue
    step(loss)
for x, y in held_out:
    loss = F.cross_entropy(net(x), y)
    if loss.item() > 1.3:
        step(loss)
""",
    "monte_carlo_dropout": f"""{EPOCHS}
net.norm.eval()
for x, _ in held_out:
    draws = torch.stack([net(x).softmax(1) for _ in range(4)])
    print(draws.mean(0).argmax(1), draws.std(0).mean().item())
""",
    "no_layer_depends_on_the_mode": f"""{SETUP}
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.Tanh(), nn.Linear(8, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for x, y in training:
    step(F.cross_entropy(net(x), y))
for x, y in held_out:
    print((net(x).argmax(1) == y).sum().item())
""",
}
FIXED = ["validates_in_train_mode", "validates_in_train_mode.numpy"]


class TestPrograms(FixedProgramChecks):
    pass
