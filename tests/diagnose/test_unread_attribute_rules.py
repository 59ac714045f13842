"""Rules about attributes that a program sets and that PyTorch never reads."""

from __future__ import annotations

import pytest
import torch
from broken_convnets.observe.near_names import distance, meant_name
from broken_convnets.observe.recorder import Options, Recorder
from rule_checks import FixedProgramChecks
from torch import nn

KINDS = {
    "setting_is_not_read": "training/not_learning",
    "attribute_is_not_read": "training/frozen_layers",
    "attribute_is_not_read.epsilon": "training/unused_layer",
    "attribute_is_not_read.letters": "training/unused_layer",
    "requires_grad_on_module": "training/frozen_layers",
}
FIT = """
def fit(net, optimizer, epochs=4, each=lambda epoch: None, scheduler=None):
    for epoch in range(epochs):
        each(epoch)
        for x, y in zip(images.split(8), labels.split(8)):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()

net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Flatten(), nn.Linear(64, 4))
sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
"""
TRAINER = """
class Trainer:
    def __init__(self, net):
        self.net = net
        self.optim = torch.optim.AdamW(net.parameters(), lr=3e-3)

    def {method}

    def run(self, steps=6):
        for step in range(steps):
            self.warm_up(step)
            self.optim.zero_grad()
            F.cross_entropy(self.net(images), labels).backward()
            self.optim.step()

Trainer(Net()).run()
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "setting_is_not_read.decay": f"""{FIT}
def slower(epoch):
    if epoch and epoch % 2 == 0:
        sgd.lr = 0.1 / epoch  # cause
        print(f"learning rate {{sgd.lr}}")

fit(net, sgd, each=slower)
""",
    "setting_is_not_read.warm_up": TRAINER.format(
        method="warm_up(self, step):\n"
        "        self.optim.learning_rate = 3e-3 * min(1, (step + 1) / 4)  # cause"
    ),
    "setting_is_not_read.key": f"""{FIT}
def slower(epoch):
    for group in sgd.param_groups:
        group["weigth_decay"] = 1e-4  # cause

sgd.param_groups[0]["weight_decay"] = 1e-3
fit(net, sgd, each=slower)
""",
    "setting_is_not_read.scheduler": f"""{FIT}
steps = torch.optim.lr_scheduler.StepLR(sgd, 2)

def restart(epoch):
    if epoch == 3:
        steps.lr = 0.05  # cause

fit(net, sgd, 4, restart, steps)
""",
    "attribute_is_not_read.transposed": f"""{FIT}
for name, weights in net.named_parameters():
    if name.startswith("0."):
        weights.requires_gard = False  # cause
fit(net, sgd)
""",
    "attribute_is_not_read.method": f"""{FIT}
net[2].bias.requires_grad_ = False  # cause
fit(net, sgd)
""",
    "attribute_is_not_read.trainable": f"""{FIT}
class Tuned(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body, self.head = body, nn.Linear(4, 4)

    def forward(self, x):
        return self.head(self.body(x))

def frozen(body):
    body.trainable = False  # cause
    return Tuned(body)

tuned = frozen(net)
fit(tuned, torch.optim.Adam(tuned.parameters(), lr=1e-3))
""",
    "attribute_is_not_read.epsilon": """
net = Net()
for layer in net.modules():
    if isinstance(layer, nn.BatchNorm2d):
        layer.epsilon = 1e-3  # cause
net.eval()
with torch.no_grad():
    print(net(images).argmax(1))
""",
    "attribute_is_not_read.letters": """
net = Net()
net.norm.momentun = 0.01  # cause
net.eval()
with torch.no_grad():
    print(net(images).argmax(1))
""",
    "requires_grad_on_module.later": f"""{FIT}
def freeze(epoch):
    if epoch == 2:
        net[0].requires_grad = False  # cause

fit(net, sgd, each=freeze)
""",
}
FIXED = sorted(set(BROKEN) - {"requires_grad_on_module.later", "setting_is_not_read.decay"})
HEALTHY = {
    "lr_that_the_program_reads": f"""{FIT}
sgd.lr = 0.1

def slower(epoch):
    for group in sgd.param_groups:
        group["lr"] = sgd.lr * 0.5 ** epoch

fit(net, sgd, each=slower)
""",
    "lr_beside_the_groups": f"""{FIT}
def slower(epoch):
    rate = 0.1 / (1 + epoch)
    sgd.param_groups[0]["lr"] = rate
    sgd.lr = rate

fit(net, sgd, each=slower)
""",
    "lr_of_an_optimizer_of_the_program": """
class Plain(torch.optim.Optimizer):
    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})
        self.lr = lr

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p -= self.lr * p.grad

net = Net()
plain = Plain(net.parameters(), 0.1)
for epoch in range(4):
    plain.lr = 0.1 / (1 + epoch)
    plain.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    plain.step()
""",
    "keys_of_the_program_in_groups": f"""{FIT}
sgd.param_groups[0]["lr_scale"] = 0.5
sgd.param_groups[0]["name"] = "all"
sgd.param_groups[0]["max_lr"] = 1
fit(net, sgd)
""",
    "marks_on_parameters": f"""{FIT}
for p in net.parameters():
    p.no_decay = p.ndim < 2
    p.lr_scale = 0.5
    p.grad_mean = False
fit(net, sgd)
""",
    "flag_that_the_program_reads": f"""{FIT}
for part in net:
    part.trainable = isinstance(part, nn.Linear)
for part in net:
    part.requires_grad_(part.trainable)
fit(net, sgd)
""",
    "attributes_of_torch_that_are_changed": """
net = Net()
net.norm.eps, net.norm.momentum, net.drop.p = 1e-3, 0.01, 0.1
net.norm.note, net.drop.share = 0.5, 3
net.eval()
with torch.no_grad():
    print(net(images).argmax(1))
""",
    "all_optimizers": """
rates = {"lr": 0.01}
net = nn.Linear(4, 2)
for name in ("Adadelta", "Adagrad", "Adam", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop"):
    optimizer = getattr(torch.optim, name)(net.parameters(), **rates)
    slower = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)
    for value in (3.0, 2.0):
        optimizer.zero_grad()
        net(torch.randn(4, 4)).square().mean().backward()
        optimizer.step()
        slower.step(value)
""",
}


class TestPrograms(FixedProgramChecks):
    """The mistakes are found at their lines, their fixes work, and look-alikes are clean."""


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rate", "lr"),
        ("weigth_decay", "weight_decay"),
        ("momentums", "momentum"),
        ("lr", ""),
        ("lrs", ""),
        ("_momentun", ""),
        ("max_lr", ""),
    ],
)
def test_a_name_near_a_setting_means_that_setting(name: str, meant: str) -> None:
    assert meant_name(name, ["lr", "momentum", "weight_decay"]) == meant


def test_two_letters_that_changed_places_are_one_mistake() -> None:
    assert distance("gard", "grad") == 1
    assert distance("", "lr") == 2
    assert distance("same", "same") == 0


def test_the_hook_is_removed_at_the_end() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    with Recorder(Options.everything()) as recorder:
        pass
    optimizer.lr = 0.2
    parameter.grad = torch.ones(2)
    optimizer.step()
    assert recorder.record.unread_settings == {}
