"""Rules about optimizers, schedulers, clipping, kept weights and diverging losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "optimizer_never_steps": "training/not_learning",
    "gradients_cleared_before_step": "training/not_learning",
    "scheduler_never_steps": "training/not_learning",
    "optimizer_misses_parameters": "training/frozen_and_wrong_optimizer",
    "clips_nothing": "training/exhausted_generator",
    "clips_after_step": "training/not_learning",
    "state_kept_by_reference": "state/best_state_not_copied",
    "loss_diverges": "training/nan_lr",
}
# Each program has one mistake, in the line that is marked.
BROKEN = {
    "optimizer_never_steps": """
class Trainer:
    def __init__(self, net):
        self.net, self.loss = net, nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(net.parameters())

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss(self.net(x), y)
        loss.backward()  # cause
        return loss.item()

trainer = Trainer(Net())
print([trainer.step(images, labels) for _ in range(3)])
""",
    "gradients_cleared_before_step": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.zero_grad()  # cause
    optimizer.step()
""",
    "scheduler_never_steps": """
def train(net, epochs=3):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(epochs):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()  # cause

train(Net())
""",
    "optimizer_misses_parameters": """
net = Net()
optimizer = torch.optim.Adam([*net.conv.parameters(), *net.norm.parameters()])  # cause
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "clips_nothing": """
net = Net()
weights = net.parameters()  # cause
optimizer = torch.optim.Adam(weights)
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    nn.utils.clip_grad_norm_(weights, 0.5)
    optimizer.step()
""",
    "clips_after_step": """
net = Net()
optimizer = torch.optim.Adam(net.parameters())
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # cause
""",
    "state_kept_by_reference": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
lowest, best = float("inf"), None
for _ in range(4):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    if best is None:
        lowest, best = loss.item(), net.state_dict()  # cause
    loss.backward()
    optimizer.step()
net.load_state_dict(best)
""",
    "loss_diverges": """
model = nn.Linear(8, 1)
inputs = torch.randn(32, 8)
optimizer = torch.optim.SGD(model.parameters(), lr=50.0)  # cause
for _ in range(8):
    optimizer.zero_grad()
    F.mse_loss(model(inputs), inputs.sum(1, keepdim=True)).backward()
    optimizer.step()
""",
}
# A second program with the mistake of a rule, whose cause or fix differs.
REPLACED_HEAD = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)  # cause
net.head = nn.Linear(5 * 4 * 4, 4)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
REPLACED_AFTER_TRAINING = """
def train(net, optimizer):
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

net = Net()
train(net, torch.optim.Adam(net.parameters()))
for weights in net.parameters():
    weights.requires_grad = False
second = torch.optim.SGD(net.head.parameters(), lr=0.1)  # cause
net.head = nn.Linear(5 * 4 * 4, 4)
train(net, second)
"""
OPTIMIZER_OF_A_COPY = """
import copy
net = Net()
average = copy.deepcopy(net)
optimizer = torch.optim.SGD(average.parameters(), lr=0.1)  # cause
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
average.eval()
with torch.no_grad():
    print(average(images).argmax(1))
"""
HEALTHY = {
    "accumulates": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(6):
    F.cross_entropy(net(images), labels).backward()
    if (i + 1) % 3 == 0:
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
""",
    "never_reaches_its_step": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(2):
    F.cross_entropy(net(images), labels).backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
    "trains_only_the_head": """
net = Net()
optimizer = torch.optim.SGD(net.head.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "perceptual_loss": """
net, judge = nn.Conv2d(3, 3, 3, padding=1), nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
optimizer = torch.optim.Adam(net.parameters())
for _ in range(3):
    optimizer.zero_grad()
    F.mse_loss(judge(net(images)), judge(images).detach()).backward()
    optimizer.step()
""",
    "warms_up_through_another_scheduler": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2)
decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[2])
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    schedule.step()
""",
    "keeps_a_copy_of_the_best_weights": """
import copy
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(4):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    best = copy.deepcopy(net.state_dict())
    loss.backward()
    optimizer.step()
net.load_state_dict(best)
net.load_state_dict(net.state_dict())
""",
    "clips_two_networks": """
first, second = Net(), Net()
a, b = (torch.optim.SGD(n.parameters(), lr=0.1) for n in (first, second))
for _ in range(3):
    a.zero_grad(), b.zero_grad()
    F.cross_entropy(first(images) + second(images), labels).backward()
    for net, optimizer in ((first, a), (second, b)):
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
""",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    programs = {
        **BROKEN,
        **HEALTHY,
        "replaced_head": REPLACED_HEAD,
        "later": REPLACED_AFTER_TRAINING,
    }
    programs |= {"later": REPLACED_AFTER_TRAINING, "copy": OPTIMIZER_OF_A_COPY}
    return judge(tmp_path_factory.mktemp("programs"), programs)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_mistake_is_found_at_its_line_and_the_fix_works(
    rule: str, judged: Mapping[str, Judged]
) -> None:
    judged[rule].assert_cause(rule, KINDS[rule])
    judged[rule].assert_fix(rule)


@pytest.mark.parametrize("name", ["replaced_head", "later"])
def test_an_optimizer_of_a_replaced_head_moves_after_the_new_one(
    name: str, judged: Mapping[str, Judged]
) -> None:
    found = judged[name]
    assert CAUSE in found.rules["optimizer_misses_parameters"]
    assert found.fixed == ["optimizer_misses_parameters"]


def test_an_optimizer_of_a_copy_is_found(judged: Mapping[str, Judged]) -> None:
    found = judged["copy"]
    assert CAUSE in found.rules["optimizer_misses_parameters"]
    assert found.fixed == ["optimizer_misses_parameters"]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
