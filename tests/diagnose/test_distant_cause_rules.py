"""Exceptions whose cause is far from where they are raised: in another function or statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "float_argument": "shape/float_conv_args",
    "class_out_of_range": "loss/target_out_of_range",
    "class_labels_dtype": "dtype/label_not_long",
    "backward_from_many_numbers": "loss/backward_on_a_vector",
    "layer_receives_other_channels": "shape/channels_mismatch",
    "layer_receives_other_channels.swapped": "shape/conv_args_order",
    "operands_have_other_sizes.stride": "shape/residual_size_mismatch",
    "operands_have_other_sizes.parallel": "shape/residual_size_mismatch",
    "operands_have_other_sizes.dimension": "shape/elementwise_size_mismatch",
    "operands_have_other_sizes.last": "shape/nhwc_input",
    "layer_receives_other_channels.batch": "shape/linear_in_features",
    "channels_are_last": "shape/nhwc_input",
    "result_of_in_place_method": "none/inplace_method_returns_none",
    "statistics_of_integers": "dtype/uint8_input",
    "kept_argument_type": "shape/float_conv_args",
    "called_container": "training/modulelist_called",
    "trailing_comma": "none/trailing_comma_tuple",
    "missing_return": "none/forward_missing_return",
    "module_as_value": "none/module_not_called",
}
STAGE = """
class Unit(nn.Module):
    def __init__(self, inside, growth):
        super().__init__()
        self.norm = nn.BatchNorm2d(inside)
        self.mix = nn.Conv2d(inside, growth, 3, padding=1)

    def forward(self, x):
        return torch.cat([x, self.mix(F.relu(self.norm(x)))], 1)

class Stage(nn.Sequential):
    def __init__(self, inside, count, growth=4):
        super().__init__(*[Unit(inside + k * growth, growth) for k in range(count)])

class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        width, parts = 8, [nn.Conv2d(3, 8, 1)]
        for count in (2, 1):
            parts.append(Stage(width, count))
            width = width + count * 4
            parts.append(nn.Conv2d(width, int(width // 2), 1))
            width = width {divide} 2{mark}
        self.parts = nn.Sequential(*parts)

    def forward(self, x):
        return self.parts(x)

Tower()(images)
"""
BLOCK = """
def pixelwise(source, target, step=1):
    return nn.Conv2d(source, target, 1, step, bias=False)

def local(source, target, step=1):
    return nn.Conv2d(source, target, 3, step, padding=1, bias=False)

class Block(nn.Module):
    def __init__(self, source, target, step):
        super().__init__()
        self.first = {first}
        self.norm = nn.BatchNorm2d(target)
        self.second = local(target, target)
        self.side = pixelwise(source, target, step)

    def forward(self, x):
        y = self.second(F.relu(self.norm(self.first(x))))
        return F.relu(y + self.side(x))

nn.Sequential(local(3, 6), nn.ReLU(), Block(6, 10, 2), nn.Flatten(), nn.Linear(90, 4))(images)
"""
PARALLEL = """
class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(
            nn.Conv2d(3, 3, 3, {left}padding=1, groups=3),{mark}
            nn.Conv2d(3, 5, 1),
        )
        self.right = nn.Sequential(
            nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 5, 3, stride=2, padding=1, groups=5)
        )

    def forward(self, x):
        return torch.cat((self.left(x), self.right(x)), dim=1)

Halves()(images)
"""
PASSED = """
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        x = {part}
        x = F.relu(x)
        {last}

class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 3, padding=1)
        self.body = nn.Sequential(Part(), Part())

    def forward(self, x):
        x = {stem}
        return self.body(x)

Whole()(images)
"""
LISTED = """
class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        found = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()]
        self.run = {kind}(found){mark}

    def forward(self, x):
        return self.run(x).mean()

Chain()(images)
"""
PAIRS = """
class Pair(nn.Module):
    def __init__(self, inside, outside):
        super().__init__()
        self.one = nn.Conv2d(inside, outside, 3, padding=1)
        self.two = nn.Conv2d(outside, outside, 3, padding=1)

    def forward(self, x):
        return F.relu(self.two(F.relu(self.one(x))))

class Skips(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = Pair(3, 6)
        self.up = Pair({inside}){mark}

    def forward(self, x):
        y = self.down(x)
        return self.up(torch.cat([y, y * 2], 1))

Skips()(images)
"""
JOINED = """
class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.pool = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)

    def parts(self, x):
        mixed = self.mix(x)
        pooled = {pooled}
        parts = [x, mixed, pooled]
        {last}

    def forward(self, x):
        return torch.cat(self.parts(x), 1)

Joined()(images)
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "float_argument.through_constructors": STAGE.format(divide="/", mark="  # cause"),
    "class_out_of_range.sum": """
def batch():
    return images, (1 + torch.arange(16) % 4).view(-1, 1).flatten()  # cause

for x, y in zip(*(part.chunk(2) for part in batch())):
    F.cross_entropy(Net()(x), y).backward()
""",
    "class_labels_dtype.conversion": """
numbers = labels.double()  # cause
for x, y in zip(images.split(4), numbers.split(4)):
    F.nll_loss(F.log_softmax(Net()(x), 1), y).backward()
""",
    "backward_from_many_numbers.unreduced": """
cost = F.cross_entropy(Net()(images), labels, reduction="none")  # cause
cost.backward()
""",
    "layer_receives_other_channels.swapped": BLOCK.format(
        first="local(target, source, step)  # cause"
    ),
    "operands_have_other_sizes.stride": BLOCK.format(first="local(source, target)  # cause"),
    "operands_have_other_sizes.parallel": PARALLEL.format(left="", mark="  # cause"),
    "operands_have_other_sizes.dimension": """
class Bank(nn.ModuleDict):
    def forward(self, x):
        found = [x]
        for layer in self.values():
            found.append(layer(x))
        return torch.cat(found, 0)  # cause

nn.Sequential(Bank({"a": nn.Conv2d(3, 5, 1), "b": nn.Conv2d(3, 2, 1)}), nn.Conv2d(10, 2, 1))(images)
""",
    "layer_receives_other_channels.stand_in": """
def example():
    return torch.randn(4, 1, 6, 6)  # cause

Net()(example())
""",
    "called_container.chain": LISTED.format(kind="nn.ModuleList", mark="  # cause"),
    "called_container.collected": """
class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        rows = [nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())]
        for _ in range(2):
            rows.append(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()))
        self.rows = nn.ModuleList(rows)  # cause

    def forward(self, x):
        return self.rows(x) * 2

Rows()(images)
""",
    "layer_receives_other_channels.batch": """
class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(9, 4, 1)

    def forward(self, x):
        y = F.relu(self.down(x))
        every = torch.cat((x, y, x * y))  # cause
        return self.up(every)

Skip()(images)
""",
    "operands_have_other_sizes.last": """
class Centered(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("middle", torch.full((1, 3, 1, 1), 0.5))
        self.mix = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.mix((x - self.middle) / 2)

Centered()(torch.rand(2, 7, 7, 3))  # cause
""",
    "channels_are_last": """
class Scaled(nn.Sequential):
    def forward(self, x):
        return super().forward(x / 255.0)

Scaled(nn.Conv2d(3, 4, 3))(torch.rand(2, 7, 8, 3))  # cause
""",
    "result_of_in_place_method.before_super": """
class Joined(nn.Sequential):
    def __init__(self, count):
        parts = []
        for _ in range(count):
            parts = parts.append(nn.Conv2d(3, 3, 1))  # cause
            parts.append(nn.ReLU())
        super().__init__(*parts)

Joined(2)(images)
""",
    "layer_receives_other_channels.second_use": PAIRS.format(inside="6, 6", mark="  # cause"),
    "statistics_of_integers": """
class Centered(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.mix(x - x.mean(dim=(2, 3), keepdim=True))

pixels = torch.randint(0, 256, (2, 3, 7, 7), dtype=torch.uint8)  # cause
Centered()(pixels)
""",
    "module_as_value.in_a_list": JOINED.format(pooled="self.pool  # cause", last="return parts"),
    "missing_return.in_a_list": """
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        y = self.mix(x)  # cause

class Base(nn.Module):
    def forward(self, x):
        return {"out": x}

class Named(Base):
    def __init__(self):
        super().__init__()
        self.part = Part()

    def forward(self, x):
        found = super().forward(x)["out"]
        return torch.cat([found, self.part(x)], 1)

Named()(images)
""",
    "missing_return.of_super": """
class Base(nn.Module):
    def forward(self, x):
        found = {"out": F.relu(x)}  # cause

class Named(Base):
    def forward(self, x):
        return super().forward(x)["out"]

Named()(images)
""",
    "float_argument.helper": """
def multiple(width, of=4):
    rounded = max(of, int(width + of // 2) / of * of)  # cause
    return rounded

class Wide(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mix = nn.Conv2d(3, width, 1)

    def forward(self, x):
        return self.mix(x)

Wide(multiple(9))(images)
""",
    "kept_argument_type": """
class Same(nn.Sequential):
    def __init__(self, inside, outside, kernel, padding=None):
        if padding is None:
            padding = (kernel - 1) / 2  # cause
        super().__init__(nn.Conv2d(inside, outside, kernel, padding=padding), nn.ReLU())

Same(3, 4, 3)(images)
""",
    "trailing_comma.before_a_sequence": PASSED.format(
        stem="self.stem(x),  # cause", part="self.mix(x)", last="return x"
    ),
    "missing_return.in_a_sequence": PASSED.format(
        stem="self.stem(x)", part="self.mix(x)", last="x = x + 1  # cause"
    ),
    "module_as_value.before_a_function": PASSED.format(
        stem="self.stem(x)", part="self.mix  # cause", last="return x"
    ),
}
HEALTHY = {
    "second_use": PAIRS.format(inside="12, 6", mark=""),
    "joined": JOINED.format(pooled="self.pool(x)", last="return parts"),
    "mean_of_integers_as_floats": """
print(torch.randint(0, 256, (2, 3, 7, 7), dtype=torch.uint8).float().mean())
""",
    "whole_widths": STAGE.format(divide="//", mark=""),
    "block": BLOCK.format(first="local(source, target, step)"),
    "parallel": PARALLEL.format(left="stride=2, ", mark=""),
    "passed": PASSED.format(stem="self.stem(x)", part="self.mix(x)", last="return x"),
    "listed": LISTED.format(kind="nn.Sequential(*found) if found else list", mark=""),
    "classes_from_one": """
F.cross_entropy(nn.Sequential(nn.Flatten(), nn.Linear(108, 5))(images), labels + 1).backward()
""",
    "probabilities_of_classes": """
F.cross_entropy(Net()(images), F.one_hot(labels, 4).float()).backward()
""",
    "weighted_losses": """
cost = F.cross_entropy(Net()(images), labels, reduction="none")
(cost * torch.rand(16)).mean().backward()
""",
}
# Each of these has the mistake elsewhere than the programs above: the line there is right.
ELSEWHERE = {
    "data_of_a_loader": """
from torch.utils.data import DataLoader, TensorDataset

net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())  # cause
for (x,) in DataLoader(TensorDataset(torch.randn(8, 1, 8, 8)), 4):
    net(x)
""",
    "convolutions_without_activations": """
class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.run = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)])

    def forward(self, x):
        x = self.run(x)  # cause
        return x.mean()

Loop()(images)
""",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    return judge(tmp_path_factory.mktemp("programs"), BROKEN | HEALTHY | ELSEWHERE)


@pytest.mark.parametrize("name", BROKEN)
def test_the_cause_is_named_and_the_fix_works(name: str, judged: Mapping[str, Judged]) -> None:
    rule = name.partition(".")[0]
    judged[name].assert_cause_and_fix(rule, KINDS.get(name) or KINDS[rule])


@pytest.mark.parametrize("name", ELSEWHERE)
def test_another_cause_is_named_where_it_is(name: str, judged: Mapping[str, Judged]) -> None:
    assert "# cause" in "".join(judged[name].rules.values())


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
