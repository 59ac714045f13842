"""Rules about failures of backward passes: freed graphs, in-place changes, missing graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "hidden_state": (
        "state_keeps_graph",
        "training/backward_twice",
        """
rnn, head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 4)
optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.1)
memory = torch.zeros(1, 16, 8)
for part in images.flatten(1, 2).split(6, dim=1):
    optimizer.zero_grad()
    output, memory = rnn(part, memory)  # cause
    loss = F.cross_entropy(head(output[:, -1]), labels)
    loss.backward()
    optimizer.step()
""",
    ),
    "features_before_the_loop": (
        "graph_from_before_loop",
        "training/backward_twice",
        """
body, head = nn.Conv2d(3, 4, 3), nn.Linear(64, 4)
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.1)
features = body(images).flatten(1)  # cause
for epoch in range(3):
    loss = F.cross_entropy(head(features), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
""",
    ),
    "penalty_before_the_loop": (
        "graph_from_before_loop",
        "training/backward_twice",
        """
class Trainer:
    def __init__(self, net):
        self.net = net
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def fit(self, epochs):
        penalty = sum(p.pow(2).sum() for p in self.net.parameters())  # cause
        for epoch in range(epochs):
            for x, y in zip(images.split(8), labels.split(8)):
                self.optimizer.zero_grad()
                error = F.cross_entropy(self.net(x), y)
                (error + 0.001 * penalty).backward()
                self.optimizer.step()

Trainer(Net()).fit(2)
""",
    ),
    "batches_of_features": (
        "graph_from_before_loop",
        "training/backward_twice",
        """
body, head = nn.Conv2d(3, 4, 3), nn.Linear(64, 4)
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.1)
features = body(images).flatten(1)  # cause
for chunk, answers in zip(features.split(4), labels.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(head(chunk), answers).backward()
    optimizer.step()
""",
    ),
    "two_changes_of_one_output": (
        "changed_in_place",
        "training/inplace_modified",
        """
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        x = torch.sigmoid(x)
        x += self.inner(x)  # cause
        return x.clamp_(max=2)

net = nn.Sequential(nn.Conv2d(3, 3, 1), Residual())
loss = net(images).mean()
loss.backward()
""",
    ),
    "frozen_with_its_new_head": (
        "loss_without_graph",
        "training/all_frozen",
        """
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.register_buffer("scale", torch.tensor([0.5]))
        self.head = nn.Linear(64, 9)

    def forward(self, x):
        return self.head((self.body(x) * self.scale).flatten(1))

net = Scaled()
net.head = nn.Linear(64, 4)
for weight in net.parameters():  # cause
    weight.requires_grad = False
F.cross_entropy(net(images), labels).backward()
""",
    ),
    "items_of_a_running_average": (
        "state_keeps_graph",
        "training/backward_twice",
        """
class Targets:
    def __init__(self):
        self.mean = torch.zeros(16, 4)

    def add(self, rows, chances):
        self.mean[rows] = 0.5 * self.mean[rows] + 0.5 * chances  # cause

net, targets = Net(), Targets()
for rows in torch.arange(16).view(4, 4).repeat(2, 1):
    chances = net(images[rows]).softmax(1)
    loss = F.nll_loss(chances.log(), labels[rows]) + F.mse_loss(chances, targets.mean[rows])
    loss.backward()
    targets.add(rows, chances)
""",
    ),
    "hidden_state_in_an_attribute": (
        "state_keeps_graph",
        "training/backward_twice",
        """
class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(108, 8)
        self.head = nn.Linear(8, 4)
        self.state = torch.zeros(16, 8)

    def forward(self, x):
        self.state = self.cell(x.flatten(1), self.state)  # cause
        return self.head(self.state)

net = Memory()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    ),
    "two_losses": (
        "shared_graph_freed",
        "training/backward_twice",
        """
class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU())
        self.a, self.b = nn.Linear(8, 4), nn.Linear(8, 1)

    def forward(self, x):
        x = self.body(x)
        return self.a(x), self.b(x)

net = TwoHeads()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    scores, size = net(images)
    first = F.cross_entropy(scores, labels)
    second = size.square().mean()
    first.backward()  # cause
    second.backward()
    optimizer.step()
""",
    ),
    "generator_not_detached": (
        "shared_graph_freed",
        "training/backward_twice",
        """
generator = nn.Sequential(nn.Linear(5, 108), nn.Tanh())
critic = nn.Sequential(nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 1))
g = torch.optim.Adam(generator.parameters())
d = torch.optim.Adam(critic.parameters())
loss_of = nn.BCEWithLogitsLoss()
for _ in range(2):
    fake = generator(torch.randn(16, 5))
    d.zero_grad()
    real_loss = loss_of(critic(images.flatten(1)), torch.ones(16, 1))
    fake_loss = loss_of(critic(fake), torch.zeros(16, 1))  # cause
    (real_loss + fake_loss).backward()
    d.step()
    g.zero_grad()
    loss_of(critic(fake), torch.ones(16, 1)).backward()
    g.step()
""",
    ),
    "loss_per_sample": (
        "backward_from_many_numbers",
        "loss/backward_on_a_vector",
        """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
weights = torch.rand(16)
optimizer.zero_grad()
loss = F.cross_entropy(net(images), labels, reduction="none") * weights
loss.backward()  # cause
optimizer.step()
""",
    ),
    "sum_in_place": (
        "changed_in_place",
        "training/inplace_modified",
        """
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(108, 4)

    def forward(self, x):
        y = torch.sigmoid(self.conv(x))
        y += x  # cause
        return self.fc(y.flatten(1))

F.cross_entropy(Residual()(images), labels).backward()
""",
    ),
    "layer_in_place": (
        "changed_in_place",
        "training/inplace_modified",
        """
class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(108, 8)
        self.act = nn.ReLU(inplace=True)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        gate = torch.sigmoid(self.fc(x.flatten(1)))
        return self.out(gate * self.act(gate))  # cause

F.cross_entropy(Gate()(images), labels).backward()
""",
    ),
    "view_in_place": (
        "changed_in_place",
        "training/inplace_modified",
        """
class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.head = nn.Linear(80, 4)

    def forward(self, x):
        x = self.add_rows(torch.relu(self.conv(x)).permute(0, 2, 3, 1))
        return self.head(x.permute(0, 3, 1, 2).flatten(1))

    def add_rows(self, x):
        for dim in (1, 2):
            x += torch.arange(4.0).view(1, *((4, 1) if dim == 1 else (1, 4)), 1)  # cause
        return x

loss = F.cross_entropy(Positions()(images), labels)
loss += 0.1 * loss.detach()
loss.backward()
""",
    ),
    "part_in_place": (
        "changed_in_place",
        "training/inplace_modified",
        """
net = Net()
scores = torch.sigmoid(net(images))
scores[:, 1].mul_(2)  # cause
total = scores.sum()
total += 1
total.backward()
""",
    ),
    "item_of_tensor_in_place": (
        "changed_in_place",
        "training/inplace_modified",
        """
net = Net()
scores = net(images).softmax(1)
scores[:, 0] = 0  # cause
F.nll_loss((scores + 1e-3).log(), labels).backward()
""",
    ),
    "step_too_early": (
        "step_before_backward",
        "training/step_between_forward_and_backward",
        """
body, head = nn.Linear(108, 8), nn.Linear(8, 4)
a = torch.optim.SGD(body.parameters(), lr=0.1)
b = torch.optim.SGD(head.parameters(), lr=0.1)
features = torch.tanh(body(images.flatten(1)))
scores = head(features)
loss = F.cross_entropy(scores, labels)
penalty = scores.square().mean()
a.zero_grad()
b.zero_grad()
loss.backward(retain_graph=True)
b.step()  # cause
penalty.backward()
a.step()
""",
    ),
    "weights_changed_under_autograd": (
        "leaf_changed_in_place",
        "training/inplace_modified",
        """
net = Net()
F.cross_entropy(net(images), labels).backward()
for p in net.parameters():
    p -= 0.1 * p.grad  # cause
""",
    ),
    "loss_of_classes": (
        "loss_without_graph",
        "training/loss_no_grad",
        """
net = Net()
scores = net(images)
guess = (scores > 0).float()  # cause
loss = F.mse_loss(guess, F.one_hot(labels, 4).float())
loss.backward()
""",
    ),
    "detached_scores": (
        "loss_without_graph",
        "training/graph_detached",
        """
def loss_of(net, x, y):
    scores = net(x).detach()  # cause
    return F.cross_entropy(scores, y)

net = Net()
loss_of(net, images, labels).backward()
""",
    ),
    "no_grad_in_forward": (
        "loss_without_graph",
        "training/loss_no_grad",
        """
class Trainer:
    def __init__(self):
        self.net = Net()

    @torch.no_grad()  # cause
    def scores(self, x):
        return self.net(x)

trainer = Trainer()
F.cross_entropy(trainer.scores(images), labels).backward()
""",
    ),
    "head_frozen_too": (
        "loss_without_graph",
        "training/all_frozen",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 4))
net.classifier = nn.Identity()
for p in net.parameters():  # cause
    p.requires_grad = False
F.cross_entropy(net(images), labels).backward()
""",
    ),
    "trained_and_then_frozen": (
        "loss_without_graph",
        "training/all_frozen",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 9))
for _ in range(2):
    F.cross_entropy(net(images), labels).backward()
net[-1] = nn.Linear(8, 4)
for weights in net.parameters():  # cause
    weights.requires_grad_(False)
F.cross_entropy(net(images), labels).backward()
""",
    ),
    "item_before_backward": (
        "backward_on_number",
        "training/graph_detached",
        """
net = Net()
total = 0.0
for x, y in zip(images.split(8), labels.split(8)):
    total += F.cross_entropy(net(x), y).item()  # cause
total.backward()
""",
    ),
    "numpy_of_scores": (
        "numpy_of_graph",
        "device/numpy_on_cuda",
        """
net = Net().eval()
scores = net(images)
print(scores.numpy().argmax(1))  # cause
""",
    ),
    "hook_under_no_grad": (
        "hook_without_graph",
        "training/hook_without_graph",
        """
net, kept = Net().eval(), []
with torch.no_grad():  # cause
    features = net.conv(images)
    features.register_hook(kept.append)
    scores = net.head(torch.relu(net.norm(features)).flatten(1))
    loss = scores[:, 0].sum()
if loss.requires_grad:
    loss.backward()
""",
    ),
    "bias_that_is_none": (
        "initialized_none",
        "none/parameter_that_is_none",
        """
def initialize(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
        module.bias.data.zero_()  # cause

net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))
net.apply(initialize)
print(net(images).shape)
""",
    ),
    "scaler_does_not_scale": (
        "loss_not_scaled",
        "training/scaler_never_scaled",
        """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cpu")
for _ in range(2):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(net(images), labels)
    loss.backward()  # cause
    scaler.step(optimizer)
    scaler.update()
""",
    ),
    "scaler_never_updates": (
        "scaler_without_update",
        "training/scaler_never_scaled",
        """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cpu")
for _ in range(2):
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(net(images), labels)).backward()
    scaler.step(optimizer)  # cause
""",
    ),
}
HEALTHY = {
    "retains_its_graph": """
net = Net()
loss = F.cross_entropy(net(images), labels)
loss.backward(retain_graph=True)
loss.backward()
""",
    "truncated_backpropagation": """
rnn, state = nn.GRU(6, 8, batch_first=True), None
for part in images.flatten(1, 2).split(6, dim=1):
    output, state = rnn(part, state)
    output.square().mean().backward()
    state = state.detach()
""",
}
OTHER = {
    "own_error": 'raise RuntimeError("second time that the folder is missing")',
    "no_such_method": "images.differentiate()",
}


# What a fix needs to know besides is not in the program.
WITHOUT_FIX = {
    "batches_of_features",
    "loss_of_classes",
    "head_frozen_too",
    "trained_and_then_frozen",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_line_that_breaks_the_backward_pass_is_found(
    name: str, judged: Mapping[str, Judged]
) -> None:
    rule, kind, _ = BROKEN[name]
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.kinds[rule] == kind
    assert CAUSE in found.rules[rule]


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in WITHOUT_FIX])
def test_the_first_fix_makes_the_program_run(name: str, judged: Mapping[str, Judged]) -> None:
    rule, _, _ = BROKEN[name]
    assert judged[name].rules.keys() == {rule}
    assert judged[name].fixed == [rule]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    found = judged[name]
    assert not found.raised
    assert not found.failed
    assert not {rule for rule, _, _ in BROKEN.values()} & set(found.rules)


@pytest.mark.parametrize("name", OTHER)
def test_other_failures_are_left_to_other_rules(name: str, judged: Mapping[str, Judged]) -> None:
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.rules == {}
