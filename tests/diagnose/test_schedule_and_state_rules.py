"""Rules about schedules, settings of optimizers, GradScaler, and what a training loop loses."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "step_bypasses_scaler": "training/nan_lr",
    "clips_scaled_gradients": "training/clipping_scaled_gradients",
    "learning_rate_is_zero": "training/not_learning",
    "weight_decay_too_large": "training/not_learning",
    "scheduler_steps_per_batch": "training/scheduler_per_batch",
    "scheduler_steps_per_epoch": "training/scheduler_order",
    "scheduler_never_steps": "training/not_learning",
    "scheduler_recreated": "training/scheduler_order",
    "scheduler_before_optimizer": "training/scheduler_order",
    "optimizer_recreated": "training/not_learning",
    "weights_initialized_again": "training/not_learning",
    "accumulated_gradients_lost": "training/not_learning",
    "gradients_of_another_loss": "training/missing_zero_grad",
}
SETUP = """
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset
net = Net()
loader = DataLoader(TensorDataset(images, labels), 4, shuffle=True)

def step(optimizer, x, y):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
SCALING = f"""{SETUP}
scaler = torch.amp.GradScaler("cpu")
optimizer = torch.optim.Adam(net.parameters())
"""
ADVERSARIES = """
maker = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())
critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))
g, d = (torch.optim.Adam(n.parameters(), lr=1e-4) for n in (maker, critic))
yes, no = torch.ones(16, 1), torch.zeros(16, 1)
judge = nn.BCEWithLogitsLoss()
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "step_bypasses_scaler.loop": f"""{SCALING}
for x, y in loader:
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(net(x), y)).backward()
    optimizer.step()  # cause
""",
    "step_bypasses_scaler.class": f"""{SETUP}
class Engine:
    def __init__(self):
        self.rule = torch.optim.AdamW(net.parameters())
        self.amp = torch.amp.GradScaler("cpu", init_scale=128.0)

    def __call__(self, x, y):
        self.rule.zero_grad()
        loss = self.amp.scale(F.cross_entropy(net(x), y))
        loss.backward()
        self.rule.step()  # cause

engine = Engine()
for x, y in loader:
    engine(x, y)
""",
    "clips_scaled_gradients.loop": f"""{SCALING}
for x, y in loader:
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(net(x), y)).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # cause
    scaler.step(optimizer)
    scaler.update()
""",
    "learning_rate_is_zero.constant": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.0)  # cause
for x, y in loader:
    step(optimizer, x, y)
""",
    "learning_rate_is_zero.schedule": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
warmup = lr_scheduler.LambdaLR(optimizer, lambda i: i // 100)  # cause
for x, y in loader:
    step(optimizer, x, y)
    warmup.step()
""",
    "weight_decay_too_large.sgd": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=5.0)  # cause
for x, y in loader:
    step(optimizer, x, y)
""",
    "weight_decay_too_large.adam": f"""{SETUP}
def rule(parameters):
    return torch.optim.Adam(parameters, lr=1e-3, weight_decay=10)  # cause

optimizer = rule(net.parameters())
for x, y in loader:
    step(optimizer, x, y)
""",
    "scheduler_steps_per_batch.cosine": f"""{SETUP}
EPOCHS = 3
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
for epoch in range(EPOCHS):
    for x, y in loader:
        step(optimizer, x, y)
        schedule.step()  # cause
""",
    "scheduler_steps_per_batch.as_long_as_another_loader": f"""{SETUP}
held_out = DataLoader(TensorDataset(images[:12], labels[:12]), 4)

def train(epochs):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(1, epochs + 1):
        net.train()
        for x, y in loader:
            step(optimizer, x, y)
            schedule.step()  # cause
        net.eval()
        with torch.no_grad():
            print(sum(F.cross_entropy(net(x), y).item() for x, y in held_out) / len(held_out))

train(3)
""",
    "scheduler_steps_per_batch.exponential": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)

def epoch():
    for x, y in zip(images.split(4), labels.split(4)):
        step(optimizer, x, y)
        schedule.step()  # cause

for _ in range(3):
    epoch()
""",
    "scheduler_steps_per_epoch.cycle": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3 * len(loader))
for epoch in range(3):
    for x, y in loader:
        step(optimizer, x, y)
    schedule.step()  # cause
""",
    "scheduler_never_steps.class": f"""{SETUP}
class Trainer:
    def __init__(self, optimizer, schedule):
        self.optimizer, self.schedule = optimizer, schedule

    def epoch(self):
        for x, y in loader:
            self.optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            self.optimizer.step()  # cause
        return self.schedule.get_last_lr()

rule = torch.optim.SGD(net.parameters(), lr=0.05)
decay = lr_scheduler.StepLR(rule, 1)
trainer = Trainer(rule, decay)
print([trainer.epoch() for _ in range(3)])
""",
    "scheduler_recreated.loop": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in range(4):
    schedule = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)  # cause
    for x, y in loader:
        step(optimizer, x, y)
    schedule.step()
""",
    "scheduler_before_optimizer.loop": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.ExponentialLR(optimizer, 0.95)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    schedule.step()  # cause
    optimizer.step()
""",
    "optimizer_recreated.step": f"""{SETUP}
for x, y in loader:
    optimizer = torch.optim.Adam(net.parameters())  # cause
    step(optimizer, x, y)
""",
    "optimizer_recreated.epoch": f"""{SETUP}
def epoch(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)  # cause
    for x, y in loader:
        step(optimizer, x, y)

for _ in range(4):
    epoch(net, loader)
""",
    "weights_initialized_again.loop": f"""{SETUP}
def initialize(module):
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)

optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(4):
    net.apply(initialize)  # cause
    for x, y in loader:
        step(optimizer, x, y)
""",
    "accumulated_gradients_lost.loop": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(2):
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()  # cause
        (F.cross_entropy(net(x), y) / 2).backward()
        if i % 2 == 1:
            optimizer.step()
""",
    "accumulated_gradients_lost.first_batch": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(4):
    net.zero_grad()
    for number, (x, y) in enumerate(loader):
        (F.cross_entropy(net(x), y) / 2).backward()
        if number % 2 == 0:  # cause
            optimizer.step()
            optimizer.zero_grad()
""",
    "gradients_of_another_loss.generator": f"""{ADVERSARIES}
for _ in range(4):
    g.zero_grad()
    d.zero_grad()
    fakes = maker(torch.randn(16, 3, 6, 6))
    real = judge(critic(images), yes)
    (real + judge(critic(fakes), no)).backward(retain_graph=True)  # cause
    d.step()
    judge(critic(maker(torch.randn(16, 3, 6, 6))), yes).backward()
    g.step()
""",
}
HEALTHY = {
    "network_lists_its_parameters_itself": f"""{SETUP}
class Listed(Net):
    def parameters(self):
        return [self.head.weight, self.head.bias]

net = Listed()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in loader:
    step(optimizer, x, y)
""",
    "network_grows_in_each_epoch": f"""{SETUP}
net = nn.Sequential(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(4):
    for x, y in loader:
        step(optimizer, x, y)
    layer = nn.Linear(4, 4)
    nn.init.eye_(layer.weight)
    net.append(layer)
    optimizer.add_param_group({{"params": layer.parameters()}})
""",
    "scheduler_waits_for_its_epoch": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.StepLR(optimizer, 1)
for epoch in range(2):
    for x, y in loader:
        step(optimizer, x, y)
    if epoch >= 5:
        schedule.step()
""",
    "scaler_as_documented": f"""{SCALING}
for x, y in loader:
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(net(x), y)).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
""",
    "scaler_disabled": f"""{SETUP}
scaler = torch.amp.GradScaler("cpu", enabled=False)
optimizer = torch.optim.Adam(net.parameters())
for x, y in loader:
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(net(x), y)).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
""",
    "warms_up_from_zero": f"""{SETUP}
optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.1)
warmup = lr_scheduler.LambdaLR(optimizer, lambda i: min(1.0, i / 3))
for x, y in loader:
    step(optimizer, x, y)
    warmup.step()
""",
    "one_group_without_learning": f"""{SETUP}
optimizer = torch.optim.SGD(
    [{{"params": net.conv.parameters(), "lr": 0.0}}, {{"params": net.norm.parameters()}},
     {{"params": net.head.parameters()}}], lr=0.1, weight_decay=1e-3)
for x, y in loader:
    step(optimizer, x, y)
""",
    "schedule_of_all_steps": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.CosineAnnealingLR(optimizer, T_max=3 * len(loader))
for epoch in range(3):
    for x, y in loader:
        step(optimizer, x, y)
        schedule.step()
""",
    "schedule_of_epochs": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.StepLR(optimizer, step_size=2)
for epoch in range(4):
    for x, y in loader:
        step(optimizer, x, y)
    schedule.step()
""",
    "restarts_in_each_epoch": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
schedule = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=len(loader))
for epoch in range(3):
    for x, y in loader:
        step(optimizer, x, y)
        schedule.step()
""",
    "folds_of_a_cross_validation": f"""{SETUP}
def fresh(module):
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()

for fold in range(3):
    net.apply(fresh)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = lr_scheduler.StepLR(optimizer, 1)
    for x, y in loader:
        step(optimizer, x, y)
    schedule.step()
""",
    "inner_loops_on_copies": f"""{SETUP}
import copy
for task in range(4):
    fast = copy.deepcopy(net)
    inner = torch.optim.SGD(fast.parameters(), lr=0.01, momentum=0.9)
    for _ in range(2):
        inner.zero_grad()
        F.cross_entropy(fast(images), labels).backward()
        inner.step()
    with torch.no_grad():
        for slow, quick in zip(net.parameters(), fast.parameters()):
            slow.lerp_(quick, 0.1)
""",
    "stages_with_new_parameters": f"""{SETUP}
for layers in ([net.head], [net.head, net.norm], [net.head, net.norm, net.conv]):
    optimizer = torch.optim.Adam([p for layer in layers for p in layer.parameters()])
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        net.zero_grad()
""",
    "accumulates": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for i, (x, y) in enumerate(loader):
    (F.cross_entropy(net(x), y) / 2).backward()
    if i % 2 == 1:
        optimizer.step()
        optimizer.zero_grad()
""",
    "projects_gradients_of_two_tasks": f"""{SETUP}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in loader:
    kept = []
    for target in (y, y.flip(0)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), target).backward()
        kept.append([p.grad.clone() for p in net.parameters()])
    for p, a, b in zip(net.parameters(), *kept):
        p.grad = a + b
    optimizer.step()
""",
    "closure_is_called_often": f"""{SETUP}
optimizer = torch.optim.LBFGS(net.parameters(), max_iter=4)
def closure():
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    return loss

for _ in range(2):
    optimizer.step(closure)
""",
    "adversaries": f"""{ADVERSARIES}
for _ in range(4):
    fakes = maker(torch.randn(16, 3, 6, 6))
    d.zero_grad()
    (judge(critic(images), yes) + judge(critic(fakes), no)).backward(retain_graph=True)
    d.step()
    g.zero_grad()
    judge(critic(maker(torch.randn(16, 3, 6, 6))), yes).backward()
    g.step()
""",
    "two_paces": f"""{SETUP}
fast = torch.optim.SGD(net.head.parameters(), lr=0.01)
slow = torch.optim.SGD([*net.conv.parameters(), *net.norm.parameters()], lr=0.01)
for i, (x, y) in enumerate(loader):
    F.cross_entropy(net(x), y).backward()
    fast.step()
    fast.zero_grad()
    if i % 2:
        slow.step()
        slow.zero_grad()
""",
}
WITHOUT_FIX = {
    "learning_rate_is_zero.schedule",
    "optimizer_recreated.epoch",
    "scheduler_never_steps.class",
}
FIXED = [name for name in BROKEN if name not in WITHOUT_FIX]


class TestPrograms(FixedProgramChecks):
    pass
