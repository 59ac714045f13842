"""Rules about weights and outputs that are kept, training that resumes, and epoch schedules."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "best_state_changes": "state/best_state_not_copied",
    "kept_outputs": "memory/outputs_kept_with_graph",
    "optimizer_starts_anew": "state/optimizer_state_not_saved",
    "scheduler_starts_anew": "state/scheduler_state_not_saved",
    "scheduler_steps_per_batch": "training/scheduler_per_batch",
}
SETUP = """
import copy
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset
loader = DataLoader(TensorDataset(images, labels), 4, shuffle=True)

def train(net, optimizer):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total
"""
RESUMING = f"""{SETUP}
PATH = "checkpoint.pt"

def fit(net, first, last, resume=False):
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    schedule = lr_scheduler.StepLR(optimizer, step_size=3)
    if resume:
        checkpoint = torch.load(PATH)
        first = checkpoint["epoch"]
        LOAD
    for epoch in range(first, last):
        train(net, optimizer)
        schedule.step()
        torch.save(STATE, PATH)

fit(Net(), 0, 2)
fit(Net(), 0, 4, resume=True)
"""


def _resuming(state: str, load: str) -> str:
    return RESUMING.replace("STATE", state).replace("LOAD", load)


NETWORK = 'net.load_state_dict(checkpoint["model"])'
OPTIMIZER = 'optimizer.load_state_dict(checkpoint["optimizer"])'
SCHEDULE = 'schedule.load_state_dict(checkpoint["schedule"])'
WEIGHTS = '"epoch": epoch + 1, "model": net.state_dict()'
AVERAGES = f'{WEIGHTS}, "optimizer": optimizer.state_dict()'
EVERYTHING = f'{AVERAGES}, "schedule": schedule.state_dict()'

# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "best_state_changes.saved": f"""{SETUP}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
lowest = 1e9
for epoch in range(3):
    loss = train(net, optimizer)
    if loss < lowest:
        lowest = loss
        weights = dict(net.state_dict())  # cause
torch.save(weights, "best.pt")
""",
    "best_state_changes.read_in_the_next_round": f"""{SETUP}
net, lowest, kept = Net(), 1e9, None
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(4):
    if kept is not None:
        print(kept["conv.weight"].norm())
    loss = train(net, optimizer)
    if loss < lowest:
        lowest = loss
        kept = net.state_dict()  # cause
""",
    "best_state_changes.class": f"""{SETUP}
class Keeper:
    def __init__(self):
        self.score, self.kept = float("inf"), None

    def improved(self, score):
        better, self.score = score < self.score, min(score, self.score)
        return better

    def update(self, net, score):
        if self.improved(score):
            self.kept = net.state_dict()  # cause

net, keeper = Net(), Keeper()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(3):
    keeper.update(net, train(net, optimizer))
final = Net()
final.load_state_dict(keeper.kept)
""",
    "best_state_changes.checkpoint": f"""{SETUP}
def weights_of(net):
    return net.state_dict()  # cause

def fit(net):
    optimizer = torch.optim.Adam(net.parameters())
    best = {{"loss": float("inf"), "model": None}}
    for epoch in range(3):
        loss = train(net, optimizer)
        if best["loss"] > loss:
            best["loss"], best["epoch"] = loss, epoch
            best["model"] = weights_of(net)
    return best

fit(Net())
""",
    "best_state_changes.list": f"""{SETUP}
net, history = Net(), []
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    train(net, optimizer)
    history.append(net.state_dict())  # cause
average = {{k: torch.stack([s[k].float() for s in history]).mean(0) for k in history[0]}}
""",
    "kept_outputs.list": f"""{SETUP}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
scores, truth = [], []
for x, y in loader:
    optimizer.zero_grad()
    out = net(x)
    F.cross_entropy(out, y).backward()
    optimizer.step()
    scores.append(out)  # cause
    truth.append(y)
hits = (torch.cat(scores).argmax(1) == torch.cat(truth)).float().mean()
""",
    "kept_outputs.probabilities": f"""{SETUP}
class Trainer:
    def __init__(self, net):
        self.net, self.optimizer = net, torch.optim.Adam(net.parameters())
        self.outputs = []

    def training_step(self, x, y):
        logits = self.net(x)
        self.outputs.append(torch.softmax(logits, 1))  # cause
        return F.cross_entropy(logits, y)

    def epoch(self):
        for batch in loader:
            self.optimizer.zero_grad()
            self.training_step(*batch).backward()
            self.optimizer.step()
        return torch.cat(self.outputs).detach().numpy()

Trainer(Net()).epoch()
""",
    "kept_outputs.never_joined": f"""{SETUP}
net, seen = Net(), {{}}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
log = []
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        out = net(x)
        log.append((epoch, out))  # cause
        F.cross_entropy(out, y).backward()
        optimizer.step()
""",
    "optimizer_starts_anew.memory": f"""{SETUP}
class Run:
    def __init__(self, net, checkpoint=None):
        self.net, self.start = net, 0
        if checkpoint is not None:
            self.net.load_state_dict(checkpoint["weights"])  # cause
            self.start = checkpoint["step"]
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def fit(self, steps):
        while self.start < steps:
            train(self.net, self.optimizer)
            self.start += 1
        return {{"weights": self.net.state_dict(), "step": self.start}}

state = Run(Net()).fit(2)
Run(Net(), state).fit(4)
""",
    "optimizer_starts_anew.not_loaded": _resuming(
        f"{{{EVERYTHING}}}", f"{NETWORK}  # cause\n        {SCHEDULE}"
    ),
    "scheduler_starts_anew.not_saved": _resuming(
        f"{{{AVERAGES}}}", f"{NETWORK}  # cause\n        {OPTIMIZER}"
    ),
    "scheduler_starts_anew.not_loaded": _resuming(
        f"{{{EVERYTHING}}}", f"{NETWORK}  # cause\n        {OPTIMIZER}"
    ),
    "scheduler_steps_per_batch.drops": f"""{SETUP}
def fit(net, epochs=4):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    schedule = lr_scheduler.MultiStepLR(optimizer, milestones=[1, 2, 3])
    for epoch in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            schedule.step()  # cause

fit(Net())
""",
}
HEALTHY = {
    "best_weights_copied": f"""{SETUP}
net, lowest = Net(), 1e9
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    loss = train(net, optimizer)
    if loss < lowest:
        lowest, best = loss, copy.deepcopy(net.state_dict())
net.load_state_dict(best)
""",
    "best_weights_saved_at_once": f"""{SETUP}
net, lowest = Net(), 1e9
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    loss = train(net, optimizer)
    if loss < lowest:
        lowest = loss
        state = {{"model": net.state_dict(), "loss": loss}}
        torch.save(state, "best.pt")
""",
    "best_checkpoint_that_a_resumed_run_reads": f"""{SETUP}
import os

def start(resume):
    net, lowest = Net(), 1e9
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if resume:
        checkpoint = torch.load("best.pt")
        net.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        checkpoint = None
    for epoch in range(4):
        loss = train(net, optimizer)
        if loss < lowest:
            lowest = loss
            if epoch > 0:
                checkpoint = {{"model": net.state_dict(), "optimizer": optimizer.state_dict()}}
                torch.save(checkpoint, "best.pt")

start(False)
start(os.path.exists("best.pt"))
""",
    "best_checkpoint_loaded_from_its_file": f"""{SETUP}
net, lowest = Net(), 1e9
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(4):
    loss = train(net, optimizer)
    if loss < lowest:
        lowest = loss
        state = {{"model": net.state_dict(), "loss": loss}}
        torch.save(state, "best.pt")
state = torch.load("best.pt")
net.load_state_dict(state["model"])
print(state["loss"])
""",
    "latest_checkpoint_saved_each_epoch": f"""{SETUP}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    train(net, optimizer)
    checkpoint = {{"model": net.state_dict(), "epoch": epoch}}
    torch.save(checkpoint, "last.pt")
    if epoch > 1:
        torch.save(checkpoint, "late.pt")
""",
    "average_reads_live_weights": f"""{SETUP}
class Average:
    def __init__(self, net):
        self.live = net.state_dict()
        self.kept = {{k: v.clone() for k, v in self.live.items()}}

    def update(self):
        for k, v in self.live.items():
            if v.is_floating_point():
                self.kept[k].lerp_(v, 0.1)

net = Net()
average = Average(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    train(net, optimizer)
    average.update()
""",
    "clients_have_networks_of_their_own": f"""{SETUP}
server = Net()
for round_ in range(2):
    states = []
    for client in range(2):
        local = copy.deepcopy(server)
        train(local, torch.optim.SGD(local.parameters(), lr=0.1, momentum=0.9))
        states.append(local.state_dict())
    server.load_state_dict({{k: (states[0][k] + states[1][k]) / 2 if v.is_floating_point() else v
                            for k, v in states[0].items()}})
""",
    "outputs_without_graph": f"""{SETUP}
net, scores = Net(), []
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        out = net(x)
        F.cross_entropy(out, y).backward()
        optimizer.step()
        scores.append(out.detach())
torch.cat(scores)
""",
    "outputs_joined_for_one_loss": f"""{SETUP}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    outputs = []
    for part in images.split(4):
        outputs.append(net(part))
    optimizer.zero_grad()
    F.cross_entropy(torch.cat(outputs), labels).backward()
    optimizer.step()
""",
    "resumes_with_everything": _resuming(
        f"{{{EVERYTHING}}}", f"{NETWORK}\n        {OPTIMIZER}\n        {SCHEDULE}"
    ),
    "schedule_advanced_to_the_epoch": _resuming(
        f"{{{AVERAGES}}}",
        f"{NETWORK}\n        {OPTIMIZER}\n        schedule.last_epoch = first",
    ),
    "second_stage_with_a_new_optimizer": f"""{SETUP}
def fit(net, lr, epochs=2):
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    best = {{"loss": float("inf")}}
    for epoch in range(1, epochs + 1):
        loss = train(net, optimizer)
        if loss < best["loss"]:
            best = {{"loss": loss, "epoch": epoch, "model": copy.deepcopy(net.state_dict())}}
    print(f"best epoch: {{best['epoch']}}")
    net.load_state_dict(best["model"])

net = Net()
fit(net, 0.01)
fit(net, 0.001)
""",
    "resumes_with_plain_sgd": f"""{SETUP}
def fit(net, checkpoint, last):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if checkpoint:
        net.load_state_dict(checkpoint["model"])
    first = checkpoint.get("epoch", 0)
    for epoch in range(first, last):
        train(net, optimizer)
    return {{"epoch": last, "model": net.state_dict()}}

fit(Net(), fit(Net(), {{}}, 2), 4)
""",
    "drops_after_many_steps": f"""{SETUP}
net, epochs = Net(), 4
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
schedule = lr_scheduler.StepLR(optimizer, step_size=len(loader), gamma=0.1)
for epoch in range(epochs):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        schedule.step()
""",
}
WITHOUT_FIX = {"kept_outputs.never_joined"}
FIXED = [n for n in BROKEN if n not in WITHOUT_FIX and "_anew" not in n]


class TestPrograms(FixedProgramChecks):
    pass
