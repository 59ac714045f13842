"""Rules about checkpoints, files, and networks that are traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "path_as_state": (
        "loads_something_else",
        "state/state_dict_mismatch",
        """
import pathlib, tempfile

with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / "net.pt"
    torch.save(Net().state_dict(), file)
    net = Net()
    net.load_state_dict(file)  # cause
print(net.eval()(images).shape)
""",
    ),
    "network_as_state": (
        "loads_something_else",
        "state/state_dict_mismatch",
        """
def copy_weights(student, teacher):
    student.load_state_dict(teacher)  # cause

net, other = Net(), Net()
copy_weights(net, other)
print(net.eval()(images).shape)
""",
    ),
    "whole_checkpoint": (
        "loads_whole_checkpoint",
        "state/state_dict_mismatch",
        """
import io

class Checkpoints:
    def __init__(self):
        self.file = io.BytesIO()

    def save(self, net, epoch):
        torch.save({"epoch": epoch, "model_state": net.state_dict()}, self.file)

    def load(self, net):
        self.file.seek(0)
        net.load_state_dict(torch.load(self.file))  # cause

checkpoints, net = Checkpoints(), Net()
checkpoints.save(net, 3)
checkpoints.load(net)
print(net.eval()(images).shape)
""",
    ),
    "saved_from_data_parallel": (
        "keys_with_prefix",
        "state/dataparallel_prefix",
        """
wrapped = nn.DataParallel(Net())
state = wrapped.state_dict()  # cause
net = Net()
net.load_state_dict(state)
print(net.eval()(images).shape)
""",
    ),
    "prefix_of_a_lightning_module": (
        "keys_with_prefix",
        "state/state_dict_mismatch",
        """
class Lit(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Net()

checkpoint = {"state_dict": Lit().state_dict()}
net = Net()
net.load_state_dict(checkpoint["state_dict"])  # cause
print(net.eval()(images).shape)
""",
    ),
    "head_of_other_size": (
        "other_shapes",
        "state/state_dict_size_mismatch",
        """
pretrained = Net()
pretrained.head = nn.Linear(80, 10)
net = Net()
net.load_state_dict(pretrained.state_dict())  # cause
print(net.eval()(images).shape)
""",
    ),
    "deeper_network": (
        "other_architecture",
        "state/architecture_mismatch",
        """
class Deep(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        blocks = [nn.Sequential(nn.Linear(108, 108), nn.ReLU()) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(108, 4)

    def forward(self, x):
        return self.head(self.blocks(x.flatten(1)))

state = Deep(depth=4).state_dict()
net = Deep()  # cause
net.load_state_dict(state)
print(net.eval()(images).shape)
""",
    ),
    "optimizer_of_another_network": (
        "optimizer_state_of_another",
        "state/optimizer_groups_differ",
        """
net = Net()
optimizer = torch.optim.Adam(net.parameters())
checkpoint = {"optimizer": optimizer.state_dict()}
resumed = torch.optim.Adam(nn.Linear(3, 4).parameters())
resumed.load_state_dict(checkpoint["optimizer"])  # cause
""",
    ),
    "pickled_network": (
        "weights_only_refuses",
        "state/weights_only",
        """
import io

file, net = io.BytesIO(), Net()
torch.save(net, file)  # cause
file.seek(0)
restored = torch.load(file)
print(restored.eval()(images).shape)
""",
    ),
    "state_as_network": (
        "state_used_as_network",
        "state/state_dict_mismatch",
        """
import io

file = io.BytesIO()
torch.save(Net().state_dict(), file)
file.seek(0)
model = torch.load(file)  # cause
model.eval()
""",
    ),
    "traced_condition": (
        "traced_control_flow",
        "state/fx_control_flow",
        """
class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(108, 4)

    def forward(self, x):
        x = self.fc(x.flatten(1))
        if x.mean() > 0:  # cause
            x = x * 2
        return x

print(torch.fx.symbolic_trace(Gated()))
""",
    ),
}
WITHOUT_FIX = {"optimizer_of_another_network", "state_as_network", "traced_condition"}
HEALTHY = {
    "resumes": """
import io

file, net = io.BytesIO(), Net()
optimizer = torch.optim.Adam(net.parameters())
torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, file)
file.seek(0)
checkpoint = torch.load(file)
net.load_state_dict(checkpoint["net"])
optimizer.load_state_dict(checkpoint["optimizer"])
net.load_state_dict({"conv.bias": torch.zeros(5)}, strict=False)
""",
}
OTHER = {
    "missing_file": 'torch.load("no/such/file.pt")',
    "own_error": 'raise RuntimeError("Missing key(s) in state_dict")',
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule, kind, _ = BROKEN[name]
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.kinds == {rule: kind}
    assert CAUSE in found.rules[rule]


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in WITHOUT_FIX])
def test_the_first_fix_makes_the_program_run(name: str, judged: Mapping[str, Judged]) -> None:
    assert judged[name].fixed == [BROKEN[name][0]]


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
