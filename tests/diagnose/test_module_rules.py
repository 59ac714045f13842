"""Rules about how a network is written: constructors, forward, containers, names, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judging import Judged

# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "no_super_init": (
        "missing_super_init",
        "training/missing_super_init",
        """
class Config:
    width = 8

class Small(nn.Module):
    def __init__(self, config):  # cause
        self.config = config
        self.fc = nn.Linear(108, config.width)

    def forward(self, x):
        return self.fc(x.flatten(1))

print(Small(Config())(images).shape)
""",
    ),
    "late_super_init": (
        "missing_super_init",
        "training/missing_super_init",
        """
class Small(nn.Module):
    def __init__(self, width=8):  # cause
        self.width = width
        self.fc = nn.Linear(108, width)
        super().__init__()

    def forward(self, x):
        return self.fc(x.flatten(1))

print(Small()(images).shape)
""",
    ),
    "single_underscores": (
        "misspelled_init",
        "training/empty_parameter_list",
        """
class Small(nn.Module):
    def _init_(self):  # cause
        super().__init__()
        self.fc = nn.Linear(108, 4)

    def forward(self, x):
        return self.fc(x.flatten(1))

net = Small()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
print(net(images).shape)
""",
    ),
    "misspelled_constructor_with_arguments": (
        "misspelled_init",
        "training/empty_parameter_list",
        """
class Small(nn.Module):
    def __int__(self, width):  # cause
        super().__init__()
        self.fc = nn.Linear(108, width)

    def forward(self, x):
        return self.fc(x.flatten(1))

print(Small(4)(images).shape)
""",
    ),
    "forward_with_a_capital": (
        "missing_forward",
        "training/forward_missing",
        """
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(108, 4)

    def Forward(self, x):  # cause
        return self.fc(x.flatten(1))

print(nn.Sequential(Small(), nn.ReLU())(images).shape)
""",
    ),
    "forward_inside_init": (
        "missing_forward",
        "training/forward_missing",
        """
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(108, 4)

        def forward(self, x):  # cause
            return self.fc(x.flatten(1))

print(Small()(images).shape)
""",
    ),
    "module_list_called": (
        "called_container",
        "training/modulelist_called",
        """
class Tower(nn.Module):
    def __init__(self, depth):
        super().__init__()
        blocks = [nn.Sequential(nn.Linear(108, 108), nn.ReLU()) for _ in range(depth)]
        self.layers = nn.ModuleList(blocks)

    def forward(self, x):
        return self.layers(x.flatten(1))  # cause

print(Tower(3)(images).shape)
""",
    ),
    "method_without_self": (
        "missing_self",
        "training/forward_signature",
        """
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(108, 4)

    def flat(x):  # cause
        return x.flatten(1)

    def forward(self, x):
        return self.fc(self.flat(x))

print(Small()(images).shape)
""",
    ),
    "sequential_with_two_inputs": (
        "sequential_with_inputs",
        "training/sequential_multi_input",
        """
net = nn.Sequential(nn.Bilinear(108, 108, 8), nn.ReLU(), nn.Linear(8, 4))
flat = images.flatten(1)
print(net(flat, flat).shape)  # cause
""",
    ),
    "list_in_sequential": (
        "not_a_layer_in_container",
        "training/sequential_list",
        """
def layers(widths):
    return [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in zip(widths, widths[1:])]

net = nn.Sequential(nn.Flatten(), layers([108, 8, 4]))  # cause
print(net(images).shape)
""",
    ),
    "function_in_sequential": (
        "not_a_layer_in_container",
        "training/constructor_vs_instance",
        """
net = nn.Sequential(
    nn.Flatten(),
    nn.Linear(108, 8),
    F.relu,  # cause
    nn.Linear(8, 4),
)
print(net(images).shape)
""",
    ),
    "layer_named_float": (
        "layer_named_like_method",
        "training/name_shadowing",
        """
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.float = nn.Linear(108, 4)  # cause

    def forward(self, x):
        return self.float(x.flatten(1))

print(Small()(images).shape)
""",
    ),
    "output_kept_in_layer": (
        "output_replaces_layer",
        "training/name_shadowing",
        """
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(108, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        self.embed = torch.relu(self.embed(x.flatten(1)))  # cause
        return self.head(self.embed)

print(Small()(images).shape)
""",
    ),
    "loss_replaced_by_its_value": (
        "result_replaces_function",
        "training/name_shadowing",
        """
class Trainer:
    def __init__(self, net):
        self.net, self.criterion = net, nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def epoch(self, criterion):
        for x, y in zip(images.split(8), labels.split(8)):
            self.optimizer.zero_grad()
            criterion = criterion(self.net(x), y)  # cause
            criterion.backward()
            self.optimizer.step()

trainer = Trainer(Net())
trainer.epoch(trainer.criterion)
""",
    ),
    "train_with_arguments": (
        "overridden_module_method",
        "training/overrides_train_method",
        """
class Learner(Net):
    def train(self, x, y, steps=2):  # cause
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(self(x), y).backward()
            optimizer.step()

learner = Learner()
learner.train(images, labels)
learner.eval()
with torch.no_grad():
    print(learner(images).argmax(1))
""",
    ),
    "generator_read_twice": (
        "spent_parameters",
        "training/exhausted_generator",
        """
net = Net()
weights = net.parameters()  # cause
print(len(list(weights)), "tensors")
optimizer = torch.optim.Adam(weights)
optimizer.zero_grad()
F.cross_entropy(net(images), labels).backward()
optimizer.step()
""",
    ),
    "names_that_do_not_exist": (
        "no_parameter_chosen",
        "training/empty_parameter_list",
        """
net = nn.Sequential()
net.add_module("embed", nn.Flatten())
net.add_module("head", nn.Linear(108, 4))
chosen = [p for name, p in net.named_parameters() if name.startswith("fc")]  # cause
optimizer = torch.optim.Adam(chosen)
optimizer.zero_grad()
F.cross_entropy(net(images), labels).backward()
optimizer.step()
""",
    ),
    "layers_in_a_dictionary": (
        "network_without_parameters",
        "training/empty_parameter_list",
        """
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = {"a": nn.Linear(108, 4), "b": nn.Linear(108, 4)}  # cause

    def forward(self, x):
        return sum(head(x.flatten(1)) for head in self.heads.values())

net = Small()
optimizer = torch.optim.Adam(net.parameters())
optimizer.zero_grad()
F.cross_entropy(net(images), labels).backward()
optimizer.step()
""",
    ),
    "parameter_moved": (
        "parameter_is_computed",
        "training/non_leaf_optimized",
        """
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4)).mul(0.5)  # cause
        self.fc = nn.Linear(108, 4)

    def forward(self, x):
        return self.fc(x.flatten(1)) * self.scale

net = Scaled()
optimizer = torch.optim.SGD([*net.parameters(), net.scale], lr=0.1)
optimizer.zero_grad()
F.cross_entropy(net(images), labels).backward()
optimizer.step()
""",
    ),
}
BROKEN |= {
    "network_instead_of_parameters": (
        "network_passed_to_optimizer",
        "training/empty_parameter_list",
        """
net = Net()
optimizer = torch.optim.Adam(net, lr=1e-3)  # cause
optimizer.zero_grad()
F.cross_entropy(net(images), labels).backward()
optimizer.step()
""",
    ),
    "one_argument_too_many": (
        "forward_arguments",
        "training/forward_signature",
        """
def predict(model, x, y):
    return model(x, y).argmax(1)  # cause

print(predict(Net().eval(), images, labels))
""",
    ),
}
HEALTHY = {
    "containers": """
class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(108, 108), nn.ReLU()])
        self.extra = nn.Sequential(*[nn.Linear(108, 4)])

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return self.extra(x)

print(Tower()(images).shape)
""",
    "abstract_method_is_caught": """
class Base(nn.Module):
    def loss(self, x):
        raise NotImplementedError

try:
    Base().loss(images)
except NotImplementedError:
    print("abstract")
""",
}
OTHER = {
    "abstract_method": """
class Base(nn.Module):
    def forward(self, x):
        raise NotImplementedError("subclasses implement forward")

Base()(images)
""",
    "attribute_of_another_object": 'print("text".shape)',
    "wrong_learning_rate": "torch.optim.SGD(Net().parameters(), lr=-1.0)",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_mistake_is_found_at_its_line_and_the_fix_works(
    name: str, judged: Mapping[str, Judged]
) -> None:
    rule, kind, _ = BROKEN[name]
    judged[name].assert_cause_and_fix(rule, kind)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()


@pytest.mark.parametrize("name", OTHER)
def test_other_failures_are_left_to_other_rules(name: str, judged: Mapping[str, Judged]) -> None:
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.rules == {}
