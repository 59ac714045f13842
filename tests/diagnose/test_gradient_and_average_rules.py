"""Rules about gradients that are wrong or reach nothing, frozen statistics, and reported means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "wrong_custom_gradient": "training/wrong_custom_gradient",
    "term_without_gradient": "training/graph_detached",
    "frozen_statistics_change": "training/bn_stats_update_when_frozen",
    "mean_losses_divided_by_samples": "loss/broadcast_metric",
}
FUNCTION = """
class Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return {forward}

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return {backward}

class Activated(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 5, 3), nn.Linear(80, 4)

    def forward(self, x):
        return self.head(Custom.apply(self.conv(x)).flatten(1))

net = Activated().train()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
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
MEANS = """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images, labels), batch_size=4)
criterion = nn.CrossEntropyLoss({arguments})

def validate(net):
    net.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            loss = criterion(net(x), y)
            total += {added}{cause}
    return total / {divisor}

print(validate(Net()))
"""

# Each program has one mistake, in the line that is marked.
BROKEN = {
    "wrong_custom_gradient": FUNCTION.format(
        forward="x * torch.sigmoid(x)",
        backward="g * torch.sigmoid(x) * (1 + torch.sigmoid(x))  # cause",
    ),
    "wrong_custom_gradient.cube": FUNCTION.format(
        forward="x ** 3", backward="2 * g * x ** 2  # cause"
    ),
    "wrong_custom_gradient.ignores_incoming": FUNCTION.format(
        forward="torch.tanh(x)", backward="1 - torch.tanh(x) ** 2  # cause"
    ),
    "term_without_gradient": GAN.format(made="made.detach()", cause="  # cause"),
    "frozen_statistics_change": SECOND_HEAD.format(mode="pass", cause="  # cause"),
    "mean_losses_divided_by_samples": MEANS.format(
        arguments="", added="loss.item()", divisor="len(loader.dataset)", cause="  # cause"
    ),
}

HEALTHY = {
    "right_gradient_with_a_kink_at_zero": FUNCTION.format(
        forward="torch.where(x > 0, x, 0.1 * x)", backward="torch.where(x > 0, g, 0.1 * g)"
    ),
    "straight_through": FUNCTION.format(forward="torch.sign(x)", backward="g"),
    "surrogate_of_a_step": FUNCTION.format(
        forward="(x > 0).to(x.dtype)", backward="g / (1 + x.abs()) ** 2"
    ),
    "reversed_gradient": FUNCTION.format(forward="x.view_as(x)", backward="-0.5 * g"),
    "guided_backward": FUNCTION.format(
        forward="x.clamp(min=0)", backward="g.clamp(min=0) * (x > 0)"
    ),
    "random_forward": FUNCTION.format(
        forward="x + torch.randn_like(x)", backward="g * torch.ones_like(x)"
    ),
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
    "sum_of_mean_losses_by_batches": MEANS.format(
        arguments="", added="loss.item()", divisor="len(loader)", cause=""
    ),
    "mean_losses_times_size": MEANS.format(
        arguments="", added="loss.item() * len(x)", divisor="len(loader.dataset)", cause=""
    ),
    "sums_of_losses_by_samples": MEANS.format(
        arguments='reduction="sum"', added="loss.item()", divisor="len(loader.dataset)", cause=""
    ),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    return judge(tmp_path_factory.mktemp("programs"), {**BROKEN, **HEALTHY})


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule = name.partition(".")[0]
    judged[name].assert_cause(rule, KINDS[rule])


@pytest.mark.parametrize("name", [name for name in BROKEN if "custom" not in name])
def test_the_first_fix_works(name: str, judged: Mapping[str, Judged]) -> None:
    judged[name].assert_fix(name.partition(".")[0])


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
