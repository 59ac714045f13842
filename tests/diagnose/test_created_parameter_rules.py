"""Rules about parameters that a forward pass or a training step creates again."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"parameter_created_again": "training/layer_created_in_forward"}
HEAD = """
import copy
from torch.nn.utils import parametrizations, prune

class Cosine(nn.Module):
    def __init__(self):
        super().__init__()
        {created}

    def forward(self, x):
        {before}
        return 8 * F.linear(F.normalize(x), {weight})

body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 6))
head = Cosine()
optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-2)
for epoch in range(2):
    for x, y in zip(images.split(4), labels.split(4)):
        optimizer.zero_grad()
        F.cross_entropy(head(body(x)), y).backward()
        optimizer.step()
"""
TRAINER = """
import copy
from torch.nn.utils import parametrizations, prune

class Trainer:
    def __init__(self, net):
        self.net = net
        {prepare}
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.05, momentum=0.9)

    def step(self, x, y):
        loss = nn.CrossEntropyLoss()(self.net(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        {after}

    def fit(self, epochs):
        for epoch in range(epochs):
            for x, y in zip(images.split(4), labels.split(4)):
                self.step(x, y)
            {at_end}

Trainer(Net()).fit(3)
"""
META = """
net = Net()
outer = torch.optim.SGD(net.parameters(), lr=0.1)
for task in range(3):
    start = net.head.weight
    for _ in range(2):
        loss = F.cross_entropy(net(images), labels)
        slope, = torch.autograd.grad(loss, net.head.weight)
        net.head.weight = nn.Parameter(net.head.weight - 0.1 * slope)
    F.cross_entropy(net(images), labels).backward()
    start.grad = net.head.weight.grad
    net.head.weight = start
    outer.step()
    outer.zero_grad()
"""
BY_HAND = """
net = Net()
for step in range(4):
    net.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    net.head.weight = nn.Parameter(net.head.weight - 0.1 * net.head.weight.grad)
"""
LATER = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
trained = net.head.weight
for noise in (0.0, 0.1, 0.5):
    net.head.weight = nn.Parameter(trained + noise * torch.randn_like(trained))
    F.cross_entropy(net(images), labels).backward()
    print(noise, net.head.weight.grad.norm().item())
"""


def head(before: str = "pass", **parts: str) -> str:
    usual = {"created": "self.weight = nn.Parameter(torch.randn(4, 6))", "weight": "self.weight"}
    return HEAD.format(before=before, **(usual | parts))


def trainer(after: str = "pass", at_end: str = "pass", prepare: str = "pass") -> str:
    return TRAINER.format(after=after, at_end=at_end, prepare=prepare)


NEW = "self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.05)"
BROKEN = {
    "parameter_created_again.forward": head(
        "self.linear.weight = nn.Parameter(F.normalize(self.linear.weight))  # cause",
        created="self.linear = nn.Linear(6, 4, bias=False)",
        weight="self.linear.weight",
    ),
    "parameter_created_again.own": head(
        "self.weight = torch.nn.Parameter(F.normalize(self.weight, dim=1))  # cause"
    ),
    "parameter_created_again.only_in_forward": head(
        "self.weight = nn.Parameter(torch.randn(4, 6))  # cause", created="pass"
    ),
    "parameter_created_again.register": head(
        'self.register_parameter("w", nn.Parameter(self.w.data / self.w.data.norm()))  # cause',
        created='self.register_parameter("w", nn.Parameter(torch.randn(4, 6)))',
        weight="self.w",
    ),
    "parameter_created_again.step": trainer(
        "layer = self.net.head\n"
        "        layer.weight = nn.Parameter(F.normalize(layer.weight.detach()))  # cause"
    ),
    "parameter_created_again.epoch": trainer(
        at_end="weight = self.net.conv.weight.clamp(-0.2, 0.2)\n"
        '            setattr(self.net.conv, "weight", nn.Parameter(weight))  # cause'
    ),
    "parameter_created_again.assigned": trainer(
        at_end="state = {k: 0.99 * v for k, v in self.net.state_dict().items()}\n"
        "            self.net.load_state_dict(state, assign=True)  # cause"
    ),
}
SWAPPED = """average = self.averages[0]
            current = self.net.head.weight
            self.net.head.weight = average
            print(F.cross_entropy(self.net(images), labels).item())
            self.net.head.weight = current"""
HEALTHY = {
    "normalized_by_a_function": head(weight="F.normalize(self.weight)"),
    "normalized_in_place": head("self.weight.data = F.normalize(self.weight.data)"),
    "normalized_in_place.copied": trainer(
        "with torch.no_grad():\n"
        "            self.net.head.weight.copy_(F.normalize(self.net.head.weight))"
    ),
    "weight_norm": trainer(prepare="parametrizations.weight_norm(self.net.head)"),
    "spectral_norm": trainer(prepare="parametrizations.spectral_norm(self.net.conv)"),
    "old_weight_norm": trainer(prepare="self.net.head = nn.utils.weight_norm(self.net.head)"),
    "pruned_again": trainer(at_end='prune.l1_unstructured(self.net.head, "weight", amount=0.1)'),
    "new_optimizer": trainer(
        at_end=f"self.net.head.weight = nn.Parameter(0.9 * self.net.head.weight)\n            {NEW}"
    ),
    "new_list_of_parameters": trainer(
        at_end="self.net.head.weight = nn.Parameter(0.9 * self.net.head.weight)\n"
        "            self.optimizer.param_groups[0]['params'] = list(self.net.parameters())"
    ),
    "group_is_added": trainer(
        at_end="self.net.head.weight = nn.Parameter(self.net.head.weight * 1.0)\n"
        "            self.optimizer.add_param_group({'params': [self.net.head.weight]})"
    ),
    "average_put_in_and_out": trainer(
        prepare="self.averages = [copy.deepcopy(net.head.weight)]", at_end=SWAPPED
    ),
    "tied": trainer(
        prepare="self.net.twin = nn.Linear(80, 4)",
        after="self.net.twin.weight = self.net.head.weight",
    ),
    "mask_of_each_pass": head(
        "self.mask = nn.Parameter((torch.rand(4, 6) > 0.2).float(), requires_grad=False)",
        created="self.weight = nn.Parameter(torch.randn(4, 6))\n"
        "        self.mask = nn.Parameter(torch.ones(4, 6), requires_grad=False)",
        weight="self.weight * self.mask",
    ),
    "loaded_in_place": trainer(
        at_end="state = {k: 0.99 * v for k, v in self.net.state_dict().items()}\n"
        "            self.net.load_state_dict(state)"
    ),
    "fast_weights": META,
    "updated_by_hand": BY_HAND,
    "noise_after_the_training": LATER,
}
FIXED = ("parameter_created_again.forward", "parameter_created_again.step")


class TestPrograms(FixedProgramChecks):
    pass
