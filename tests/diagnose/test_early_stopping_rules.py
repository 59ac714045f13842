"""Rules about early stopping, whose patience is a number of epochs in a row."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"patience_is_not_reset": "training/metric_not_reset"}
FIT = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)

def epoch(net, optimizer):
    net.train()
    for x, y in zip(images.split(8), labels.split(8)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

@torch.no_grad()
def validate(net):
    net.eval()
    return F.cross_entropy(net(images), labels).item()

"""
STOPPER = """
class Stopper:
    def __init__(self, patience=2, delta=0.0):
        self.patience, self.delta = patience, delta
        self.waited, self.best, self.stop = 0, None, False

    def __call__(self, score):
        if self.best is None:
            self.best = score
        elif score < self.best + self.delta:
            self.waited += 1
            if self.waited >= self.patience:
                self.stop = True
        else:
            {better}

stopper = Stopper()
for _ in range(6):
    epoch(net, optimizer)
    stopper(-validate(net))
    if stopper.stop:
        break
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "patience_is_not_reset.class": FIT + STOPPER.format(better="self.best = score  # cause"),
    "patience_is_not_reset.function": f"""{FIT}
def fit(net, optimizer, patience, epochs=6):
    best, without_improvement = float("inf"), 0
    for number in range(epochs):
        epoch(net, optimizer)
        loss = validate(net)
        if loss >= best:
            without_improvement += 1
        else:
            best = loss  # cause
            torch.save(net.state_dict(), "best.pt")
        if without_improvement > patience:
            print("stopped after", number)
            break
    return best

print(fit(net, optimizer, 3))
""",
    "patience_is_not_reset.flag": f"""{FIT}
lowest, stale = 1e9, 0
while True:
    epoch(net, optimizer)
    now = validate(net)
    improved = now < lowest - 1e-3
    if improved:
        lowest = now  # cause
    else:
        stale += 1
        print(f"{{stale}} epochs without improvement")
        if stale == 2:
            break
""",
}
FIXED = ["patience_is_not_reset.class", "patience_is_not_reset.function"]
HEALTHY = {
    "reset": FIT + STOPPER.format(better="self.best, self.waited = score, 0"),
    "reset_by_a_method": FIT
    + STOPPER.format(
        better="self.best = score\n            self.reset()\n\n"
        "    def reset(self):\n        self.waited = 0"
    ),
    "reset_before_the_comparison": f"""{FIT}
best, bad = 1e9, 0
for _ in range(5):
    epoch(net, optimizer)
    now = validate(net)
    bad += 1
    if now < best:
        best, bad = now, 0
    if bad >= 3:
        break
""",
    "epoch_of_the_best_score": f"""{FIT}
best, best_epoch, patience = 1e9, 0, 3
for number in range(5):
    epoch(net, optimizer)
    now = validate(net)
    if now < best:
        best, best_epoch = now, number
    elif number - best_epoch >= patience:
        break
""",
    "all_bad_epochs_only_shown": f"""{FIT}
best, worse = 1e9, 0
for number in range(5):
    epoch(net, optimizer)
    now = validate(net)
    if now < best:
        best = now
    else:
        worse += 1
print(worse)
""",
    "lower_rate_and_a_new_count": f"""{FIT}
best, bad, patience = 1e9, 0, 1
for number in range(5):
    epoch(net, optimizer)
    now = validate(net)
    if now < best:
        best = now
    else:
        bad += 1
    if bad > patience:
        optimizer.param_groups[0]["lr"] /= 2
        bad = 0
""",
}


class TestPrograms(FixedProgramChecks):
    """The mistakes are found at their lines, their fixes work, and look-alikes are clean."""
