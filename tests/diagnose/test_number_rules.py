"""Rules about losses, outputs and gradients that are not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

# By the name of a program: the rule, the kind, and the program, with one mistake in a marked line.
BROKEN = {
    "logarithm_of_softmax": (
        "loss_not_finite",
        "training/nan_log_zero",
        """
def entropy(p):
    return -(p * torch.log(p)).sum(1).mean()  # cause

net = Net()
for _ in range(3):
    net.zero_grad()
    entropy(F.softmax(net(images) * 200, 1)).backward()
""",
    ),
    "root_of_zero": (
        "gradient_not_finite",
        "training/nan_log_zero",
        """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(4):
    optimizer.zero_grad()
    a, b = net(images), net(images).detach()
    if step == 2:
        b = a
    distance = torch.sqrt(((a - b) ** 2).sum(1))  # cause
    (F.cross_entropy(a, labels) + distance.mean()).backward()
    optimizer.step()
""",
    ),
    "power_of_zero": (
        "gradient_not_finite",
        "training/nan_log_zero",
        """
net = Net()
for _ in range(2):
    net.zero_grad()
    scores = net(images)
    gaps = (scores - scores.max(1, keepdim=True)[0]).abs()
    (gaps**0.5).mean().backward()  # cause
""",
    ),
    "division_by_an_empty_count": (
        "loss_not_finite",
        "training/nan_log_zero",
        """
class Masked(nn.Module):
    def forward(self, scores, targets, mask):
        lost = F.cross_entropy(scores, targets, reduction="none") * mask
        return (lost.sum() + 1) / mask.sum()  # cause

net, criterion = Net(), Masked()
for step in range(3):
    net.zero_grad()
    criterion(net(images), labels, (labels > step * 2).float()).backward()
""",
    ),
    "missing_targets": (
        "loss_not_finite",
        "training/nan_in_data",
        """
wanted = torch.randn(16, 4)
wanted[3, 1] = float("nan")  # cause
net = Net()
for _ in range(2):
    net.zero_grad()
    F.mse_loss(net(images), wanted).backward()
""",
    ),
    "statistics_of_a_constant_image": (
        "loss_not_finite",
        "training/nan_in_data",
        """
def standardize(batch):
    mean, deviation = batch.mean((1, 2, 3), keepdim=True), batch.std((1, 2, 3), keepdim=True)
    return (batch - mean) / deviation  # cause

images[5] = 0.5
net = Net()
for _ in range(2):
    net.zero_grad()
    F.cross_entropy(net(standardize(images)), labels).backward()
""",
    ),
    "every_key_masked": (
        "loss_not_finite",
        "training/nan_log_zero",
        """
net, lengths = nn.Linear(6, 6), torch.tensor([6, 3, 0, 1])
for _ in range(2):
    net.zero_grad()
    scores = net(torch.randn(4, 6))
    scores = scores.masked_fill(torch.arange(6) >= lengths[:, None], float("-inf"))
    weights = scores.softmax(-1)  # symptom
    (weights**2).sum().backward()
""",
    ),
    "longer_than_the_input": (
        "loss_not_finite",
        "loss/ctc_infinite",
        """
net, criterion = nn.Linear(6, 5), nn.CTCLoss()  # constructor
for _ in range(2):
    net.zero_grad()
    scores = net(torch.randn(4, 2, 6)).log_softmax(-1)
    targets = torch.randint(1, 5, (2, 7))
    criterion(scores, targets, torch.tensor([4, 4]), torch.tensor([7, 2])).backward()  # cause
""",
    ),
    "infinite_output_at_inference": (
        "output_not_finite",
        "training/nan_log_zero",
        """
class Decibels(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x):
        return torch.relu(self.conv(x)).log10()  # cause

net = Decibels().eval()
with torch.no_grad():
    print(net(images).shape)
""",
    ),
    "average_of_nothing": (
        "loss_not_finite",
        "training/nan_log_zero",
        """
net, masks = nn.Conv2d(3, 4, 1), torch.randint(0, 4, (16, 6, 6))
masks[8:] = 255
criterion = nn.CrossEntropyLoss(ignore_index=255)
for half in (slice(0, 8), slice(8, 16)):
    net.zero_grad()
    criterion(net(images[half]), masks[half]).backward()  # cause
""",
    ),
}
HEALTHY = {
    "causal_mask": """
net = nn.Linear(6, 6)
mask = torch.triu(torch.full((6, 6), float("-inf")), 1)
for _ in range(2):
    net.zero_grad()
    weights = (net(torch.randn(6, 6)) + mask).softmax(-1)
    (weights**2).sum().backward()
""",
    "lowest_loss_so_far": """
net, lowest = Net(), torch.tensor(float("inf"))
for _ in range(2):
    net.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    lowest = torch.minimum(lowest, loss.detach())
    loss.backward()
""",
    "missing_values_left_out": """
wanted = torch.randn(16, 4)
wanted[3, 1] = float("nan")
net = Net()
for _ in range(2):
    net.zero_grad()
    known = ~wanted.isnan()
    F.mse_loss(net(images)[known], wanted[known]).backward()
    print(torch.log(wanted[0] - wanted[0]))
""",
    "root_without_graph": """
net = Net()
for _ in range(2):
    net.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    print(torch.sqrt(torch.zeros(3)), sum(p.grad.norm() for p in net.parameters()))
""",
}
# Programs that stop because of a NaN; the marked line computes the first.
STOPPED = {
    "sampling": """
def unit(x):
    return x / x.norm(dim=1, keepdim=True)  # cause

net, states = nn.Linear(6, 4), torch.randn(5, 6)
states[2] = 0
print(net(unit(states)).softmax(1).multinomial(1))
""",
    "a_check_of_the_loss": """
net = nn.Linear(6, 4)
for _ in range(3):
    loss = -torch.log(F.relu(net(torch.randn(5, 6)))).mean()  # cause
    if not torch.isfinite(loss):
        raise ValueError("the loss is NaN or infinite")
""",
    "a_step_after_the_gradient": """
net = nn.Linear(6, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
states = torch.randn(5, 6)
for _ in range(3):
    optimizer.zero_grad()
    p = net(states).softmax(1)
    p.multinomial(1)
    (p.pow(2).sum(1) + (p - p).pow(2).sum(1).sqrt()).sum().backward()  # cause
    optimizer.step()
""",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    programs = {name: text for name, (_, _, text) in BROKEN.items()}
    return judge(tmp_path_factory.mktemp("programs"), {**programs, **HEALTHY, **STOPPED})


@pytest.mark.parametrize("name", BROKEN)
def test_the_first_value_that_is_not_finite_is_named(
    name: str, judged: Mapping[str, Judged]
) -> None:
    rule, kind, text = BROKEN[name]
    found = judged[name]
    assert not found.raised
    assert not found.failed
    assert found.kinds == {rule: kind}
    assert CAUSE in found.rules[rule] or CAUSE not in text


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"missing_targets"}))
def test_the_first_fix_leaves_no_finding(name: str, judged: Mapping[str, Judged]) -> None:
    judged[name].assert_fix(BROKEN[name][0])


@pytest.mark.parametrize("name", STOPPED)
def test_a_program_that_stops_because_of_a_nan_is_explained(
    name: str, judged: Mapping[str, Judged]
) -> None:
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert CAUSE in found.rules["failed_on_nan"]
    assert "failed_on_nan" in found.fixed


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
