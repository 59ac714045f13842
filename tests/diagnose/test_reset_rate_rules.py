"""A scheduler that is constructed after its optimizer has loaded the learning rate."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"scheduler_resets_loaded_rate": "training/scheduler_initial_lr"}
TRAIN = """
import os
import tempfile
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset
loader = DataLoader(TensorDataset(images, labels), 4, shuffle=True)

def train(net, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
TRAINER = (
    TRAIN
    + """
class Trainer:
    def __init__(self, path):
        self.path, self.first = path, 0
        self.net = Net()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.01)
        state = None
        if os.path.exists(path):
            state = torch.load(path)
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.first = state["epoch"]
        self.schedule = lr_scheduler.LambdaLR(self.optimizer, lambda e: 0.5 ** e)MARK
        if state is not None:
            self.schedule.load_state_dict(state["schedule"])
            AFTER

    def fit(self, last):
        for epoch in range(self.first, last):
            train(self.net, self.optimizer)
            self.schedule.step()
            state = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}
            state |= {"schedule": self.schedule.state_dict(), "epoch": epoch + 1}
            torch.save(state, self.path)

with tempfile.TemporaryDirectory() as folder:
    Trainer(f"{folder}/last.pt").fit(2)
    Trainer(f"{folder}/last.pt").fit(4)
"""
)
FUNCTION = (
    TRAIN
    + """
def run(first, last):
    net = Net()
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    BEFORE
    if first:
        saved = torch.load("saved.pt")
        net.load_state_dict(saved["net"])
        opt.load_state_dict(saved["opt"])
        RESUMED
    for epoch in range(first, last):
        train(net, opt)
        sched.step()
    torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "sched": sched.state_dict()},
               "saved.pt")

run(0, 2)
run(2, 4)
"""
)
RESTARTS = "sched = lr_scheduler.CosineAnnealingWarmRestarts(opt, 5)"
LOAD = 'sched.load_state_dict(saved["sched"])'


def trainer(*, after: str = "pass", mark: str = "") -> str:
    return TRAINER.replace("AFTER", after).replace("MARK", mark)


def function(*resumed: str, start: str = RESTARTS) -> str:
    before = f"if not first:\n        {start}"
    return FUNCTION.replace("BEFORE", before).replace("RESUMED", "\n        ".join(resumed))


MARK = "  # cause"
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "scheduler_resets_loaded_rate.trainer": trainer(mark=MARK),
    "scheduler_resets_loaded_rate.function": function(RESTARTS + MARK, LOAD),
}
AGAIN = 'opt.load_state_dict(saved["opt"])'
STEPS = "sched = lr_scheduler.StepLR(opt, 1, 0.5)"
LAMBDA = "sched = lr_scheduler.LambdaLR(opt, lambda e: 0.5 ** e)"
HEALTHY = {
    "rate_set_afterwards": trainer(
        after='self.optimizer.param_groups[0]["lr"] = self.schedule.get_last_lr()[0]'
    ),
    "loaded_after_the_constructor": FUNCTION.replace("BEFORE", RESTARTS).replace("RESUMED", LOAD),
    "loaded_once_more": function(RESTARTS, LOAD, AGAIN),
    "constructor_keeps_the_rate": function(STEPS, LOAD, start=STEPS),
    "schedule_starts_again": function(RESTARTS),
    "resumed_by_number": function(
        LAMBDA.replace("** e)", "** e, last_epoch=first - 1)"), start=LAMBDA
    ),
    "advanced_by_steps": function(RESTARTS, "for _ in range(first):", "    sched.step()"),
    "rate_chosen_before": function('opt.param_groups[0]["lr"] = 0.02', RESTARTS, LOAD),
}
FIXED = ["scheduler_resets_loaded_rate.trainer"]


class TestPrograms(FixedProgramChecks):
    pass
