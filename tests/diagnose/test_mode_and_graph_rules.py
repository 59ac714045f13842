"""Rules about train mode and eval mode, cut graphs, kept graphs and frozen layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from broken_convnets.commands.diagnose.evidence import Evidence
from broken_convnets.commands.diagnose.rules.training.inference_graphs import inference_keeps_graphs
from broken_convnets.observe.recorder import Options, Recorder
from judging import CAUSE, Judged, judge
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broken_convnets.commands.diagnose.findings import Finding

KINDS = {
    "trains_in_eval_mode": "training/forgot_train_after_val",
    "trains_in_eval_mode.once": "training/forgot_train_after_val",
    "trains_in_eval_mode.between_batches": "training/forgot_train_after_val",
    "infers_in_train_mode": "training/forgot_eval",
    "train_override_skips_layers": "training/overrides_train_method",
    "backward_from_new_tensor": "training/graph_detached",
    "term_without_gradient": "training/no_grad_in_forward",
    "term_without_gradient.generator": "training/graph_detached",
    "sum_keeps_graphs": "memory/loss_accumulation",
    "kept_losses": "memory/loss_accumulation",
    "inference_keeps_graphs": "memory/missing_no_grad",
    "requires_grad_on_module": "training/frozen_layers",
    "frozen_statistics_change": "training/bn_stats_update_when_frozen",
    "frozen_statistics_change.second_head": "training/bn_stats_update_when_frozen",
    "frozen_statistics_change.of_a_first_task": "training/bn_stats_update_when_frozen",
    "frozen_statistics_change.second_phase": "training/bn_stats_update_when_frozen",
}
MANY = 30_000  # operators
TRAIN = """
def fit(net, optimizer, steps=3):
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
"""
# Each program has one mistake, in the line that is marked.
GAN = """
make = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 108), nn.Tanh())
judge = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))
of_make = torch.optim.Adam(make.parameters(), lr=1e-3)
of_judge = torch.optim.Adam(judge.parameters(), lr=1e-3)
real, faked = torch.ones(16, 1), torch.zeros(16, 1)
loss = nn.BCEWithLogitsLoss()
for _ in range(4):
    made = make(torch.randn(16, 8)).view(16, 3, 6, 6)
    of_judge.zero_grad()
    (loss(judge(images), real) + loss(judge(made.detach()), faked)).backward()
    of_judge.step()
    of_make.zero_grad()
    loss(judge({made}), real).backward(){cause}
    of_make.step()
"""
SECOND_HEAD = """
class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten())
        self.first, self.second = nn.Linear(80, 4), nn.Linear(80, 4)

    def forward(self, x, which):
        return getattr(self, which)(self.body(x))

def fit(net, which, steps):
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.01)
    net.train(){cause}
    {mode}
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(images, which), labels).backward()
        optimizer.step()

net = TwoHeads()
fit(net, "first", 12)
for part in (net.body, net.first):
    part.requires_grad_(False)
fit(net, "second", 12)
"""
BROKEN = {
    "trains_in_eval_mode": """
@torch.no_grad()
def validate(model):
    model.eval()
    return (model(images).argmax(1) == labels).float().mean().item()

def epoch(model, optimizer):
    for x, y in zip(images.split(8), labels.split(8)):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # cause
        optimizer.step()

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    epoch(model, optimizer)
    print(validate(model))
""",
    "trains_in_eval_mode.once": """
class Fitting:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    @torch.no_grad()
    def score(self):
        self.model.eval()
        return (self.model(images).argmax(1) == labels).float().mean().item()

    def run(self, epochs=3):
        self.model.train()  # cause
        for _ in range(epochs):
            for x, y in zip(images.split(8), labels.split(8)):
                self.optimizer.zero_grad()
                F.cross_entropy(self.model(x), y).backward()
                self.optimizer.step()
            print(self.score())

Fitting(Net()).run()
""",
    "trains_in_eval_mode.between_batches": """
class Fitting:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    @torch.no_grad()
    def score(self):
        self.model.eval()  # cause
        return (self.model(images).argmax(1) == labels).float().mean().item()

    def epoch(self):
        self.model.train()
        for step, (x, y) in enumerate(zip(images.split(4), labels.split(4))):
            if step % 2 == 1:
                print(self.score())
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(x), y).backward()
            self.optimizer.step()

fitting = Fitting(Net())
for _ in range(3):
    fitting.epoch()
""",
    "infers_in_train_mode": f"""{TRAIN}
def accuracy(model):
    hits = 0
    with torch.no_grad():
        for x, y in zip(images.split(8), labels.split(8)):
            hits += (model(x).argmax(1) == y).sum().item()  # cause
    return hits / len(images)

fit(net, optimizer)
print(accuracy(net))
""",
    "train_override_skips_layers": """
class Frozen(Net):
    def train(self, mode=True):  # cause
        self.norm.eval()
        return self

net = Frozen()
net.eval()
with torch.no_grad():
    print(net(images).sum())
""",
    "backward_from_new_tensor": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    value = F.cross_entropy(net(images), labels).detach()  # cause
    loss = torch.tensor(value.item(), requires_grad=True)
    loss.backward()
    optimizer.step()
""",
    "term_without_gradient": """
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))
        self.net = Net()

    def forward(self, x):
        with torch.no_grad():
            scale = self.scale * 2  # cause
        return self.net(x * scale)

net = Scaled()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "sum_keeps_graphs": """
class Meter:
    def __init__(self):
        self.total = 0.0

    def update(self, loss):
        self.total = self.total + loss  # cause

net, meter = Net(), Meter()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(4):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    meter.update(loss)
print(float(meter.total))
""",
    "kept_losses": """
net, history = Net(), []
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(7):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    history.append(loss)  # cause
print(len(history))
""",
    "inference_keeps_graphs": """
def embed(net):
    net.eval()
    found = []
    for x in images.split(4):
        found.append(net(x))  # cause
    return torch.cat(found)

print(embed(Net()).shape)
""",
    "requires_grad_on_module": f"""{TRAIN}
net.conv.requires_grad = False  # cause
fit(net, optimizer)
""",
    "frozen_statistics_change": """
class Tuned(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
        for parameter in self.body.parameters():
            parameter.requires_grad = False
        self.head = nn.Linear(5 * 4 * 4, 4)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))

net = Tuned()
optimizer = torch.optim.SGD(net.head.parameters(), lr=0.1)
net.train()  # cause
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "term_without_gradient.generator": GAN.format(made="made.detach()", cause="  # cause"),
    "frozen_statistics_change.of_a_first_task": """
first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())

def fit(net, parameters, steps):
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

task = nn.Sequential(first, nn.Linear(64, 4))
fit(task, task.parameters(), 4)
for parameter in first.parameters():
    parameter.requires_grad = False
head = nn.Linear(64, 4)
net = nn.Sequential(first, head)
net.train()  # cause
fit(net, head.parameters(), 12)
""",
    "frozen_statistics_change.second_phase": """
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    net.train()
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
net.eval()
for parameter in net[:3].parameters():
    parameter.requires_grad = False
optimizer = torch.optim.SGD(net[3].parameters(), lr=0.01)
for _ in range(12):
    net.train()  # cause
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "frozen_statistics_change.second_head": SECOND_HEAD.format(mode="pass", cause="  # cause"),
}
VALIDATES_WITH_GRAPH = f"""{TRAIN}
def validate(net):
    net.eval()
    return sum(F.cross_entropy(net(x), y).item()  # cause
               for x, y in zip(images.split(4), labels.split(4)))

fit(net, optimizer)
print(validate(net))
"""
FORCED_GRAPH = f"""{TRAIN}
def overlap(scores, wanted):
    hard = torch.sigmoid(scores).gt(0.5).float()  # cause
    return 1 - 2 * (hard * wanted).sum() / (hard + wanted).sum()

wanted = F.one_hot(labels, 4)
for _ in range(3):
    optimizer.zero_grad()
    loss = overlap(net(images), wanted)
    loss.requires_grad_()
    loss.backward()
    optimizer.step()
"""
HEALTHY = {
    "sum_over_the_tasks_of_one_step": f"""{TRAIN}
for _ in range(3):
    before = after = 0
    for x, y in zip(images.chunk(4), labels.chunk(4)):
        loss = F.cross_entropy(net(x), y)
        before = before + loss
        gradients = torch.autograd.grad(loss, net.parameters())
        fast = [w - 0.1 * g for w, g in zip(net.parameters(), gradients)]
        names = [name for name, _ in net.named_parameters()]
        scores = torch.func.functional_call(net, dict(zip(names, fast)), (x,))
        after = after + F.cross_entropy(scores, y)
    optimizer.zero_grad()
    (after / 4).backward()
    optimizer.step()
    print(float(before))
""",
    "requires_grad_on_a_loss_with_a_graph": f"""{TRAIN}
for _ in range(3):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels).requires_grad_()
    loss.backward()
    optimizer.step()
""",
    "attacks_with_gradients_of_inputs": f"""{TRAIN}
def attack(net, x):
    net.eval()
    delta = torch.zeros_like(x, requires_grad=True)
    (gradient,) = torch.autograd.grad(F.cross_entropy(net(x + delta), labels), delta)
    net.train()
    return (delta + 0.1 * gradient.sign()).detach()

for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images + attack(net, images)), labels).backward()
    optimizer.step()
""",
    "alternates_modes": f"""{TRAIN}
for _ in range(2):
    net.train()
    fit(net, optimizer)
    net.eval()
    with torch.no_grad():
        print((net(images).argmax(1) == labels).sum())
""",
    "attacks_in_eval_mode": f"""{TRAIN}
for _ in range(2):
    net.eval()
    attacked = images.clone().requires_grad_(True)
    F.cross_entropy(net(attacked), labels).backward()
    attacked = (images + 0.1 * attacked.grad.sign()).detach()
    net.train()
    optimizer.zero_grad()
    F.cross_entropy(net(attacked), labels).backward()
    optimizer.step()
""",
    "samples_dropout": f"""{TRAIN}
fit(net, optimizer)
net.norm.eval()
with torch.no_grad():
    print(torch.stack([net(images[:2]).softmax(1) for _ in range(5)]).std(0))
""",
    "teacher_in_train_mode": """
student, teacher = Net(), Net()
optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
for _ in range(2):
    with torch.no_grad():
        wanted = teacher(images)
    optimizer.zero_grad()
    F.mse_loss(student(images), wanted).backward()
    optimizer.step()
""",
    "probes_the_shape": """
class Sized(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
        with torch.no_grad():
            width = self.body(torch.zeros(2, 3, 6, 6)).flatten(1).shape[1]
        self.head = nn.Linear(width, 4)

    def train(self, mode=True):
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, x):
        return self.head(self.body(x).flatten(1))

print(Sized().eval()(images).shape)
""",
    "frozen_backbone_under_no_grad": """
class Tuned(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
        self.head = nn.Linear(5 * 4 * 4, 4)

    def forward(self, x):
        with torch.no_grad():
            features = self.body(x)
        return self.head(features.flatten(1))

net = Tuned()
net.body.load_state_dict(Tuned().body.state_dict())
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "loss_of_several_parts": """
net, history, total = Net(), [], 0.0
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(6):
    optimizer.zero_grad()
    loss = 0
    for x, y in zip(images.split(8), labels.split(8)):
        loss = loss + F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    total += loss.item()
    history.append(loss.detach())
print(total, torch.stack(history))
""",
    "adversaries_freeze_each_other": """
maker = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 1))
one, two = (torch.optim.SGD(n.parameters(), lr=0.01) for n in (maker, critic))
for _ in range(3):
    two.zero_grad()
    (critic(maker(images).detach()).mean() - critic(images).mean()).backward()
    two.step()
    critic.requires_grad_(False)
    one.zero_grad()
    (-critic(maker(images)).mean()).backward()
    one.step()
    critic.requires_grad_(True)
with torch.no_grad():
    print(maker(images[:4]).clamp(0, 1).mean())
""",
    "gan": GAN.format(made="made", cause=""),
    "second_head": SECOND_HEAD.format(
        mode="net.body.train(net.first.weight.requires_grad)", cause=""
    ),
    "discriminator_frozen_for_each_step": """
judge = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 1))
make = nn.Linear(8, 108)
of_make = torch.optim.Adam(make.parameters(), lr=1e-3)
of_judge = torch.optim.Adam(judge.parameters(), lr=1e-3)
for _ in range(12):
    made = make(torch.randn(16, 8)).view(16, 3, 6, 6)
    judge.requires_grad_(True)
    of_judge.zero_grad()
    (judge(made.detach()).mean() - judge(images).mean()).tanh().add(1).backward()
    of_judge.step()
    judge.requires_grad_(False)
    of_make.zero_grad()
    (1 - judge(made).mean().tanh()).backward()
    of_make.step()
""",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    return judge(
        tmp_path_factory.mktemp("programs"),
        {**BROKEN, **HEALTHY, "validates": VALIDATES_WITH_GRAPH, "forced": FORCED_GRAPH},
    )


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line_and_the_fix_works(
    name: str, judged: Mapping[str, Judged]
) -> None:
    rule = name.partition(".")[0]
    judged[name].assert_cause(rule, KINDS[name])
    judged[name].assert_fix(rule)


def test_a_graph_that_is_forced_on_a_loss_is_found(judged: Mapping[str, Judged]) -> None:
    judged["forced"].assert_cause("graph_forced_on_loss", "training/graph_detached")


def test_a_validation_with_a_graph_is_found(judged: Mapping[str, Judged]) -> None:
    found = judged["validates"]
    assert CAUSE in found.rules["inference_keeps_graphs"]
    assert found.fixed == ["inference_keeps_graphs"]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()


def test_passes_whose_operators_were_left_out_are_not_judged() -> None:
    def findings(limit: int) -> list[Finding]:
        with Recorder(replace(Options.everything(), operator_limit=limit)) as recorder:
            net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
            for _ in range(9):
                net(torch.ones(2, 3, 4)).square().mean().backward()
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            optimizer.step()
            for _ in range(0 if limit < MANY else 2):
                net(torch.ones(2, 3, 4))
        return list(inference_keeps_graphs(Evidence(recorder.record)))

    assert findings(20) == []
    assert len(findings(MANY)) == 1
