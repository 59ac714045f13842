"""Rules about values of a wrong type: None, tuples, methods, layers that are not called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judging import Judged

# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "forward_of_a_block": (
        "missing_return",
        "none/forward_missing_return",
        """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())

    def forward(self, x):
        out = self.body(x) + x  # cause

class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))

    def forward(self, x):
        return self.blocks(x)

print(F.cross_entropy(Stack()(images), labels))
""",
    ),
    "step_method_of_a_trainer": (
        "missing_return",
        "none/forward_missing_return",
        """
class Trainer:
    def __init__(self, net):
        self.net = net
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def loss(self, x, y):
        F.cross_entropy(self.net(x), y)  # cause

    def step(self, x, y):
        self.optimizer.zero_grad()
        value = self.loss(x, y)
        value.backward()
        self.optimizer.step()
        return value.item()

print(Trainer(Net()).step(images, labels))
""",
    ),
    "branch_without_else": (
        "missing_return",
        "none/forward_conditional_return",
        """
def pool(x, kind):
    if kind == "max":
        return F.max_pool2d(x, 2)
    elif kind == "average":
        return F.avg_pool2d(x, 2)
    else:
        x = x[..., ::2, ::2]  # cause

out = pool(images, "stride")
print(out.mean())
""",
    ),
    "result_of_append": (
        "result_of_in_place_method",
        "none/inplace_method_returns_none",
        """
def collect(batches):
    outputs = []
    for batch in batches:
        outputs = outputs.append(batch.mean())  # cause
    return torch.stack(outputs)

print(collect(images.split(4)))
""",
    ),
    "activation_by_name": (
        "lookup_found_nothing",
        "none/optional_layer_none",
        """
ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu}

class Head(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = ACTIVATIONS.get(act)
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(self.act(x))

model = nn.Sequential(Net(), Head("Relu"))  # cause
print(model(images).shape)
""",
    ),
    "optional_shortcut": (
        "optional_layer_called",
        "none/optional_layer_none",
        """
class Residual(nn.Module):
    def __init__(self, width, shortcut=None):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = shortcut

    def forward(self, x):
        return F.relu(self.conv(x) + self.shortcut(x))  # cause

print(Residual(3)(images).shape)
""",
    ),
    "optional_auxiliary_output": (
        "optional_output_used",
        "none/aux_output_tuple",
        """
class TwoHeads(nn.Module):
    def __init__(self, auxiliary=False):
        super().__init__()
        self.body = nn.Linear(108, 8)
        self.head = nn.Linear(8, 4)
        self.auxiliary = nn.Linear(8, 4) if auxiliary else None

    def forward(self, x):
        x = torch.relu(self.body(x.flatten(1)))
        extra = None if self.auxiliary is None else self.auxiliary(x)
        return self.head(x), extra

scores, extra = TwoHeads()(images)
loss = F.cross_entropy(scores, labels)
loss = loss + 0.3 * F.cross_entropy(extra, labels)  # cause
loss.backward()
""",
    ),
    "hook_of_a_skipped_layer": (
        "never_filled_in",
        "none/hook_never_fired",
        """
class Recorder:
    def __init__(self, layer):
        self.features = None
        layer.register_forward_hook(self.save)

    def save(self, layer, inputs, output):
        self.features = output.detach()

class Wrapped(Net):
    def forward(self, x):
        x = torch.relu(self.norm(self.conv.forward(x)))  # cause
        return self.head(x.flatten(1))

net = Wrapped()
recorder = Recorder(net.conv)
net(images)
print(recorder.features.mean())
""",
    ),
    "gradient_read_too_early": (
        "gradient_is_none",
        "none/grad_none",
        """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    total = 0.0
    for p in net.parameters():
        total += p.grad.norm().item()  # cause
    loss.backward()
    optimizer.step()
""",
    ),
    "method_as_value": (
        "method_not_called",
        "none/method_not_called",
        """
net = Net()
scores = net(images).detach  # cause
print(scores.argmax(1))
""",
    ),
    "layer_as_value": (
        "module_as_value",
        "none/module_not_called",
        """
class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        h = F.relu(self.conv(x))
        h = self.pool  # cause
        return self.fc(torch.flatten(h, 1))

print(Pooled()(images).shape)
""",
    ),
    "class_as_layer": (
        "module_as_value",
        "training/constructor_vs_instance",
        """
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(108, 4)
        self.act = nn.ReLU  # cause

    def forward(self, x):
        x = self.act(x.flatten(1))
        return self.fc(x)

print(Scaled()(images).shape)
""",
    ),
    "loss_class_as_function": (
        "constructor_called_with_tensors",
        "loss/module_as_function",
        """
net = Net()
loss = nn.CrossEntropyLoss(net(images), labels)  # cause
loss.backward()
""",
    ),
    "comma_at_the_end": (
        "trailing_comma",
        "none/trailing_comma_tuple",
        """
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x).relu(),  # cause

features = Encoder()(images)
print(F.max_pool2d(features, 2).shape)
""",
    ),
    "batch_with_labels": (
        "collection_as_tensor",
        "none/non_tensor_input",
        """
from torch.utils.data import DataLoader, TensorDataset

def predict(net, loader):
    net.eval()
    with torch.no_grad():
        for batch in loader:  # cause
            yield net(batch).argmax(1)

loader = DataLoader(TensorDataset(images, labels), batch_size=8)
print(torch.cat(list(predict(Net(), loader))))
""",
    ),
    "output_of_lstm": (
        "collection_as_tensor",
        "none/aux_output_tuple",
        """
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(6, 8, batch_first=True)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        states = self.rnn(x)  # cause
        return self.out(states)

print(Tagger()(images.flatten(1, 2)).shape)
""",
    ),
}
BROKEN |= {
    "array_as_input": (
        "collection_as_tensor",
        "none/non_tensor_input",
        """
rows = images.flatten(1).numpy()  # cause
print(nn.Linear(108, 4)(rows).shape)
""",
    ),
}
HEALTHY = {
    "catches_its_error": """
def pool(x, size):
    if size > 1:
        return F.max_pool2d(x, size)

try:
    pool(images, 1).mean()
except AttributeError:
    print("no pooling")
""",
    "optional_layers_are_checked": """
class Optional(nn.Module):
    def __init__(self, act=None):
        super().__init__()
        self.act, self.fc = act, nn.Linear(108, 4)

    def forward(self, x):
        x = self.fc(x.flatten(1))
        return x if self.act is None else self.act(x)

print(Optional()(images).shape, [].append(1))
""",
}
# Failures that are not about types: no rule of this family may speak.
OTHER = {
    "own_error": 'raise ValueError("the folder has no images: got NoneType")',
    "missing_key": 'print({"a": None}["b"])',
    "wrong_sizes": "print(nn.Linear(7, 2)(images))",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_producer_of_the_value_is_found_and_the_fix_works(
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
    assert not {rule for rule, _, _ in BROKEN.values()} & set(found.rules)
