"""Rules about dtypes of inputs and targets, and about the values of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "doubles_of_numpy": (
        "input_dtype",
        "dtype/float64_numpy_input",
        """
import numpy as np

def load(count):
    pixels = np.random.rand(count, 3, 6, 6)
    return torch.from_numpy(pixels)  # cause

class Trainer:
    def __init__(self, net):
        self.net = net

    def step(self, x, y):
        F.cross_entropy(self.net(x), y).backward()

Trainer(Net()).step(load(16), labels)
""",
    ),
    "bytes_of_an_image": (
        "input_dtype",
        "dtype/uint8_input",
        """
photos = torch.randint(0, 256, (16, 3, 6, 6), dtype=torch.uint8)  # cause
print(Net()(photos).argmax(1))
""",
    ),
    "integers_from_a_loader": (
        "input_dtype",
        "dtype/input_dtype",
        """
from torch.utils.data import DataLoader, TensorDataset

rows = TensorDataset(torch.randint(0, 9, (16, 5)), labels)
head = nn.Linear(5, 4)
for x, y in DataLoader(rows, batch_size=8):
    F.cross_entropy(head(x), y).backward()  # cause
""",
    ),
    "half_network": (
        "input_dtype",
        "dtype/half_vs_float",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4)).half().eval()
with torch.no_grad():
    print(net(images).argmax(1))  # cause
""",
    ),
    "head_outside_of_autocast": (
        "input_dtype",
        "dtype/bf16_vs_float",
        """
class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(108, 8), nn.Linear(8, 4)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = torch.relu(self.body(x.flatten(1)))
        return self.head(x)  # cause

print(Mixed()(images).dtype)
""",
    ),
    "float_labels": (
        "class_labels_dtype",
        "dtype/label_not_long",
        """
criterion = nn.CrossEntropyLoss()
targets = torch.Tensor([i % 4 for i in range(16)])  # cause
criterion(Net()(images), targets).backward()
""",
    ),
    "byte_labels": (
        "class_labels_dtype",
        "dtype/label_not_long",
        """
def loss_of(net, x, y):
    return F.nll_loss(F.log_softmax(net(x), dim=1), y)

loss_of(Net(), images, labels.to(torch.int32)).backward()  # cause
""",
    ),
    "labels_from_one": (
        "class_out_of_range",
        "loss/target_out_of_range",
        """
def read_labels():
    return torch.arange(16) % 4 + 1  # cause

y = read_labels()
F.cross_entropy(Net()(images), y).backward()
""",
    ),
    "white_masks": (
        "class_out_of_range",
        "loss/target_out_of_range",
        """
net = nn.Conv2d(3, 2, 3, padding=1)
mask = torch.zeros(16, 6, 6).long()
mask[:, 2:4] = 255
F.cross_entropy(net(images), mask).backward()  # cause
""",
    ),
    "one_hot_labels": (
        "labels_not_class_numbers",
        "loss/one_hot_target",
        """
criterion = nn.CrossEntropyLoss()
y = F.one_hot(labels, 4)  # cause
criterion(Net()(images), y).backward()
""",
    ),
    "labels_in_a_column": (
        "labels_not_class_numbers",
        "loss/one_hot_target",
        """
y = labels.reshape(-1, 1)  # cause
F.cross_entropy(Net()(images), y).backward()
""",
    ),
    "classes_in_a_loss": (
        "classes_passed_as_scores",
        "loss/target_shape_equals_input",
        """
net = Net()
guess = net(images).argmax(dim=1)  # cause
F.cross_entropy(guess, labels).backward()
""",
    ),
    "integer_targets_of_bce": (
        "float_targets",
        "dtype/label_not_long",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1), nn.Sigmoid())
y = (labels > 1).long().unsqueeze(1)  # cause
nn.BCELoss()(net(images), y).backward()
""",
    ),
    "double_targets_of_mse": (
        "float_targets",
        "dtype/input_dtype",
        """
class Trainer:
    def __init__(self):
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1))
        self.loss = nn.HuberLoss()

    def step(self, x, y):
        loss = self.loss(self.net(x), y)
        loss.backward()

y = torch.rand(16, 1, dtype=torch.float64)  # cause
Trainer().step(images, y)
""",
    ),
    "raw_scores_in_bce": (
        "logits_in_bce",
        "loss/bce_range",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1))
criterion = nn.BCELoss()  # cause
criterion(net(images * 9), (labels > 1).float().unsqueeze(1)).backward()
""",
    ),
    "one_channel": (
        "one_channel_cross_entropy",
        "loss/wrong_loss",
        """
net = nn.Conv2d(3, 1, 3, padding=1)
mask = (images[:, 0] > 0).long()
F.cross_entropy(net(images).squeeze(1), mask).backward()  # cause
""",
    ),
}
HEALTHY = {
    "converts_everything": """
net = Net().double()
F.cross_entropy(net(images.double()), labels).backward()
net = net.float()
F.cross_entropy(net(images), F.one_hot(labels, 4).float()).backward()
F.cross_entropy(net(images), labels.where(labels > 0, -100)).backward()
""",
}
OTHER = {
    "own_error": 'raise RuntimeError("expected scalar type Long but found Float")',
    "wrong_sizes": "F.cross_entropy(Net()(images), labels[:3])",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    programs = {name: text for name, (_, _, text) in BROKEN.items()} | HEALTHY | OTHER
    return judge(tmp_path_factory.mktemp("programs"), programs)


@pytest.mark.parametrize("name", BROKEN)
def test_the_line_that_computes_the_tensor_is_found_and_the_fix_works(
    name: str, judged: Mapping[str, Judged]
) -> None:
    rule, kind, _ = BROKEN[name]
    judged[name].assert_cause_and_fix(rule, kind)


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
    assert not {rule for rule, _, _ in BROKEN.values()} & set(found.rules)
