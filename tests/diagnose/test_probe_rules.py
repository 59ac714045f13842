"""Rules that call copies of a program's networks again."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.diagnose.probing import unnoticed
from judging import CAUSE, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

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
# The same with the context filled by a method of its own.
NEW_STYLE = (
    FUNCTION.replace("forward(ctx, x)", "forward(x)")
    .replace("        ctx.save_for_backward(x)\n", "")
    .replace(
        "    @staticmethod\n    def backward",
        "    @staticmethod\n    def setup_context(ctx, inputs, output):\n"
        "        ctx.save_for_backward(*inputs)\n\n    @staticmethod\n    def backward",
    )
)
# Each program has one mistake, in the line that is marked: (rule, kind, program).
CRITIC = """
class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(108, 1)

    def forward(self, x):
        return torch.tanh(self.out(x.flatten(1))).squeeze()  # cause

"""
BROKEN = {
    "bias_of_a_rare_class_on_the_wrong_layer": (
        "dead_activation",
        "training/dying_relu",
        """
class Scores(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 1, 1)
        with torch.no_grad():
            self.hidden.bias.fill_(-5.0)  # cause

    def forward(self, x):
        return self.last(torch.relu(self.hidden(x)))

print(Scores()(images).shape)
""",
    ),
    "attention_over_the_batch": (
        "samples_mixed",
        "loss/softmax_dimension",
        """
class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.score, self.out = nn.Linear(3, 1), nn.Linear(3, 4)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        weights = self.score(torch.tanh(x)).softmax(0)  # cause
        return self.out((x * weights).sum(1))

print(Pool()(images).shape)
""",
    ),
    "rows_after_a_transpose": (
        "samples_mixed",
        "shape/view_invalid",
        """
class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Linear(64, 4)

    def forward(self, x):
        h = F.relu(self.conv(x)).permute(1, 0, 2, 3)
        return self.out(h.reshape(len(x), -1))  # cause

print(Rows()(images).shape)
""",
    ),
    "time_is_taken_for_the_batch": (
        "samples_mixed",
        "shape/batchnorm_axis",
        """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(36, 8)  # cause
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        states, _ = self.rnn(x.flatten(2))
        return self.out(states[:, -1])

print(Reader()(images).shape)
""",
    ),
    "patches_are_taken_for_the_batch": (
        "samples_mixed",
        "shape/batchnorm_axis",
        """
class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.cut = nn.Conv2d(3, 8, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.attend = nn.MultiheadAttention(8, 2)  # cause
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.norm(self.cut(x).flatten(2).mT)
        return self.out((x + self.attend(x, x, x, need_weights=False)[0]).mean(dim=1))

print(Patches()(images).shape)
""",
    ),
    "weights_of_a_sequence": (
        "samples_mixed",
        "loss/softmax_dimension",
        """
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.rnn = nn.Embedding(9, 8), nn.GRU(8, 8, batch_first=True)
        self.score, self.out = nn.Linear(8, 1), nn.Linear(16, 3)

    def forward(self, tokens):
        states, _ = self.rnn(self.embed(tokens))
        context = (states * F.softmax(self.score(states), dim=0)).sum(1, keepdim=True)  # cause
        return self.out(torch.cat([states, context.expand_as(states)], -1))

print(Tagger()(torch.arange(42).reshape(7, 6) % 9).shape)
""",
    ),
    "score_of_one_image": (
        "batch_of_one_squeezed",
        "shape/squeeze_batch_of_one",
        CRITIC + "print(Critic()(images).shape)\n",
    ),
    "scores_of_batches_of_four": (
        "batch_of_one_squeezed",
        "shape/squeeze_batch_of_one",
        CRITIC + "for x in torch.utils.data.DataLoader(images, 4):\n    print(Critic()(x).shape)\n",
    ),
    "scores_of_batches_of_five": (
        "batch_of_one_squeezed",
        "shape/squeeze_batch_of_one",
        CRITIC + "for x in torch.utils.data.DataLoader(images, 5):\n    print(Critic()(x).shape)\n",
    ),
    "paths_are_dropped_in_eval_mode": (
        "random_in_eval",
        "training/functional_dropout",
        """
class DropPath(nn.Module):
    def __init__(self, rate=0.3):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        keep = 1 - self.rate
        drawn = torch.rand(len(x), 1, 1, 1, device=x.device)  # cause
        return x * (drawn < keep) / keep

layers = nn.Conv2d(3, 4, 3), nn.ReLU(), DropPath(), nn.Flatten(), nn.Linear(64, 4)
net = nn.Sequential(*layers).eval()
print(net(images).shape)
""",
    ),
    "images_are_centered_in_place": (
        "inputs_modified",
        "training/inplace_modified",
        """
class Centered(Net):
    def forward(self, x):
        x -= x.mean((1, 2, 3), keepdim=True)  # cause
        return super().forward(x)

net = Centered()
print(F.cross_entropy(net(images), labels).item(), images.mean())
""",
    ),
    "grid_on_the_cpu": (
        "created_on_cpu",
        "device/new_tensor_on_cpu",
        """
class Coords(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        ramp = torch.arange(x.shape[-1]) / x.shape[-1]  # cause
        ramp = ramp.expand(x.shape[0], 1, x.shape[-2], -1)
        return F.relu(self.conv(torch.cat([x, ramp], 1)))

print(Coords()(images).shape)
""",
    ),
    "forgets_a_factor": (
        "wrong_custom_gradient",
        "training/wrong_custom_gradient",
        FUNCTION.format(
            forward="x * torch.sigmoid(x)",
            backward="g * torch.sigmoid(x) * (1 + torch.sigmoid(x))  # cause",
        ),
    ),
    "forgets_a_factor_of_the_new_style": (
        "wrong_custom_gradient",
        "training/wrong_custom_gradient",
        NEW_STYLE.format(forward="x**3", backward="2 * g * x**2  # cause"),
    ),
    "ignores_the_incoming_gradient": (
        "wrong_custom_gradient",
        "training/wrong_custom_gradient",
        FUNCTION.format(forward="torch.tanh(x)", backward="1 - torch.tanh(x) ** 2  # cause"),
    ),
}
# Programs that look alike and have no mistake.
HEALTHY = {
    "moves_what_it_creates": """
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(12, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        x = x.flatten(2).reshape(len(x), 9, 12)
        h0 = torch.zeros(1, x.size(0), 8).to(device)
        c0 = torch.zeros(1, x.size(0), 8, device=device)
        return self.out(self.rnn(x, (h0, c0))[0][:, -1])

net = Reader().to(device)
print(net(images.to(device)).shape)
""",
    "attention_over_a_bag": """
class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.score, self.out = nn.Linear(108, 1), nn.Linear(108, 4)

    def forward(self, x):
        x = x.flatten(1)
        return self.out((x * self.score(x).softmax(0)).sum(0))

print(Bag()(images))
""",
    "nodes_of_a_graph": """
class Graph(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(108, 8), nn.Linear(8, 4)

    def forward(self, x, links):
        links = links / links.sum(1, keepdim=True)
        return self.two(links @ F.relu(self.one(links @ x)))

print(Graph()(images.flatten(1), torch.eye(16) + torch.rand(16, 16)).shape)
""",
    "similarities_of_a_batch": """
class Pairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(108, 8)

    def forward(self, x):
        z = F.normalize(F.relu(self.out(x.flatten(1))), dim=1)
        return F.cross_entropy(z @ z.t(), torch.arange(len(x), device=x.device))

print(Pairs()(images))
""",
    "sequence_first": """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(5, 8), nn.Linear(8, 3)

    def forward(self, steps):
        return self.out(self.rnn(steps)[0])

print(Reader()(torch.randn(7, 4, 5)).shape)
""",
    "noise_on_purpose": """
class Sampler(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.spread, self.out = nn.Linear(108, 4), nn.Linear(108, 4), nn.Linear(4, 108)

    def forward(self, x):
        x = x.flatten(1)
        z = self.mean(x) + torch.randn_like(self.mean(x)) * self.spread(x).exp()
        return torch.sigmoid(self.out(z))

net = Sampler().eval()
print(net(images).shape)
""",
    "masks_only_in_training": """
class DropPath(nn.Module):
    def forward(self, x):
        if not self.training:
            return x
        keep = 0.7
        return x * (torch.rand(len(x), 1, device=x.device) < keep) / keep

net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4), DropPath()).eval()
print(net(images).shape)
""",
    "copies_before_it_writes": """
class Centered(Net):
    def forward(self, x):
        x = x.clone()
        x -= x.mean((1, 2, 3), keepdim=True)
        return super().forward(x)

print(Centered()(images).shape)
""",
    "squeeze_with_a_dimension": """
class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(108, 1)

    def forward(self, x):
        return torch.tanh(self.out(x.flatten(1))).squeeze(1)

print(Critic()(images).shape)
""",
    "mask_on_the_device": """
class Causal(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.MultiheadAttention(36, 2, batch_first=True)

    def forward(self, x):
        x = x.flatten(2)
        mask = torch.full((3, 3), float("-inf")).triu(1).to(x.device)
        return self.mix(x, x, x, attn_mask=mask)[0]

print(Causal()(images).shape)
""",
    "trains_on_the_cpu_by_choice": """
class Shifted(Net):
    def forward(self, x):
        return super().forward(x + torch.linspace(0, 1, 6))

net = Shifted()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "values_are_read": """
class Branching(Net):
    def forward(self, x):
        if x.abs().max() > 100:
            x = x / 100
        return super().forward(x)

print(Branching()(images).shape)
""",
    "cannot_be_copied": """
import threading

class Locked(Net):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, x):
        with self.lock:
            return super().forward(x)

print(Locked()(images).shape)
""",
    "right_gradient_with_a_kink_at_zero": FUNCTION.format(
        forward="torch.where(x > 0, x, 0.1 * x)", backward="torch.where(x > 0, g, 0.1 * g)"
    ),
    "right_gradient_of_the_new_style": NEW_STYLE.format(
        forward="x * torch.sigmoid(x)",
        backward="g * torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x)))",
    ),
    "straight_through": FUNCTION.format(forward="torch.sign(x)", backward="g"),
    "straight_through_where_it_is_not_clipped": FUNCTION.format(
        forward="(x * 8).round() / 8", backward="g * (x.abs() < 1)"
    ),
    "signs_times_their_mean": FUNCTION.format(
        forward="x.abs().mean() * x.sign()", backward="g * (x.abs() < 1)"
    ),
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
    "single_precision_inside": FUNCTION.format(
        forward="torch.tanh(x.float() * 50).to(x.dtype)",
        backward="50 * g * (1 - torch.tanh(x * 50) ** 2)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule, kind, _ = BROKEN[name]
    found = judged[name]
    assert not found.failed
    assert {one: k for one, k in found.kinds.items() if one in {rule, *RULES}} == {rule: kind}
    assert CAUSE in found.rules[rule]


@pytest.mark.parametrize("name", [n for n in BROKEN if BROKEN[n][0] != "wrong_custom_gradient"])
def test_the_first_fix_works(name: str, judged: Mapping[str, Judged]) -> None:
    assert BROKEN[name][0] in judged[name].fixed


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    found = judged[name]
    assert not found.raised
    assert not found.failed
    assert not set(found.rules) & RULES


@pytest.mark.parametrize(
    ("name", "severity"),
    {
        "score_of_one_image": "error",
        "scores_of_batches_of_five": "error",
        "scores_of_batches_of_four": "warning",
    }.items(),
)
def test_a_batch_of_one_that_never_comes_is_a_warning(
    name: str, severity: str, judged: Mapping[str, Judged]
) -> None:
    assert judged[name].severities["batch_of_one_squeezed"] == severity


RULES = {rule for rule, _, _ in BROKEN.values()}


def test_a_warning_of_a_network_that_is_called_again_is_not_shown() -> None:
    with warnings.catch_warnings(record=True) as shown, unnoticed():
        warnings.warn("again", stacklevel=1)
    assert shown == []
    with pytest.warns(UserWarning, match="after"):
        warnings.warn("after", stacklevel=1)
