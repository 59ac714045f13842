"""Rules about dtypes of inputs and targets, and about the values of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judging import Judged

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
    "doubles_of_a_data_set": (
        "input_dtype",
        "dtype/float64_numpy_input",
        """
import numpy as np
from torch.utils.data import DataLoader, Dataset

class Series(Dataset):
    def __init__(self):
        self.waves = np.sin(np.arange(96, dtype=np.float32)).reshape(16, 6)

    def __len__(self):
        return 16

    def __getitem__(self, n):
        wave = torch.from_numpy(np.hanning(6) * self.waves[n])  # cause
        return wave, labels[n]

head = nn.Linear(6, 4)
for wave, kind in DataLoader(Series(), batch_size=8):
    F.cross_entropy(head(wave), kind).backward()
""",
    ),
    "decimal_labels_of_a_data_set": (
        "class_labels_dtype",
        "dtype/label_not_long",
        """
from torch.utils.data import DataLoader, Dataset

class Marks(Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, n):
        return images[n], torch.tensor([1.0, 2.0][n % 2])  # cause

net = Net()
for x, y in DataLoader(Marks(), batch_size=8):
    F.cross_entropy(net(x), y).backward()
""",
    ),
    "vocabulary_without_padding": (
        "index_beyond_embedding",
        "device/device_side_assert",
        """
class Words:
    def __init__(self, text):
        self.known = {w: i for i, w in enumerate(sorted(set(text.split())))}
        self.pad = len(self.known)

class Reader(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.table = nn.Embedding(count, 4)

    def forward(self, rows):
        return self.table(rows).mean(1)

words = Words("a rose is a rose is a rose")
reader = Reader(len(words.known))  # cause
print(reader(torch.tensor([[0, 2, 1], [1, words.pad, words.pad]])).shape)
""",
    ),
    "more_positions_than_rows": (
        "index_beyond_embedding",
        "device/device_side_assert",
        """
places = nn.Embedding(12, 8)  # cause
tokens = torch.randn(2, 16, 8)
print((tokens + places(torch.arange(tokens.shape[1]))).shape)
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
    "void_at_borders": (
        "void_is_not_ignored",
        "loss/target_out_of_range",
        """
net, criterion = nn.Conv2d(3, 4, 3, padding=1), nn.CrossEntropyLoss(weight=torch.ones(4))  # cause
maps = labels.view(-1, 1, 1).expand(-1, 6, 6).clone()
maps[:, :, 3] = 255
criterion(net(images), maps).backward()
""",
    ),
    "void_in_a_function": (
        "void_is_not_ignored",
        "loss/target_out_of_range",
        """
def objective(scores, wanted):
    return F.nll_loss(scores.log_softmax(1), wanted)  # cause

maps = torch.randint(0, 3, (16, 4, 4))
maps[0] = 255
objective(nn.Conv2d(3, 3, 3)(images), maps).backward()
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
    "negative_index": "nn.Embedding(5, 2)(torch.tensor([1, -1]))",
    "own_error": 'raise RuntimeError("expected scalar type Long but found Float")',
    "wrong_sizes": "F.cross_entropy(Net()(images), labels[:3])",
}


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
