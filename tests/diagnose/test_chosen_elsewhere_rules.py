"""Exceptions whose cause is where a number, a sample or a layer was chosen, far from the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADER = "from torch.utils.data import DataLoader, Dataset\n"
WIDTHS = """
class Tower(nn.Module):
    def __init__(self, {parameter}):{mark}
        super().__init__()
        self.first = nn.Conv2d({inside}, 8, 3, padding=1)
        self.body = nn.Sequential(self.first, nn.ReLU(), nn.Conv2d(8, 8, 1))

    def forward(self, x):
        return self.body(x)

"""
LISTED = """
def tower(widths):
    layers = []
    for {target} in {pairs}:
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)

tower({widths})(images){mark}
"""
CONTAINER = """
def block(inside, outside):
    layers = [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU()]
    {last}

class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = {blocks}

    def forward(self, x):
        for one in self.blocks{values}
            x = one(x)
        return x

Tower()(images)
"""
BRANCHES = """
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.small = nn.Conv2d(3, 4, 1)
        self.middle = nn.Conv2d(3, 4, 3, padding=1)
        self.large = nn.Conv2d(3, 4, 5, padding={padding}){mark}

    def forward(self, x):
        return torch.cat([self.small(x), self.middle(x), self.large(x)], 1)

Branches()(images)
"""
CODER = """
class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))
        self.up = nn.Sequential(
            nn.ConvTranspose2d(8, 8, 3, 2, 1{extra}),{mark}
            nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 3, 2, 1, output_padding=1),
        )

    def forward(self, x):
        return self.up(self.down(x))

pictures = torch.rand(4, 3, 12, 12)
((Coder()(pictures) - pictures) ** 2).mean().backward()
"""
SHORTCUT = """
class Block(nn.Module):
    def __init__(self, inside, outside, stride=1):
        super().__init__()
        self.main = nn.Conv2d(inside, outside, 3, stride=stride, padding=1)
        self.short = nn.Identity()
        if {test}:{mark}
            self.short = nn.Conv2d(inside, outside, 1, stride=stride)

    def forward(self, x):
        return F.relu(self.main(x) + self.short(x))

nn.Sequential(Block(3, 8), Block(8, 8, 2), nn.Flatten(), nn.Linear(72, 4))(images)
"""
PADDED = """
class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        y = F.pad(self.mix(x), {pad}){mark}
        return x + y

Padded()(images)
"""
METHODS = (
    LOADER
    + """
class Pairs(Dataset):
    def __init__(self):
        self.images, self.labels = images, labels

    def {read}(self, index):{read_mark}
        return self.images[index], self.labels[index]
{count}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in DataLoader(Pairs(), batch_size=4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
)
COUNT = """
    def {name}(self):{mark}
        return len(self.labels)
"""
MERGED = """
class Viewed(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear({features}, 4){head_mark}

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.mix(x)), 2)
        return self.head(x.view(-1, {features})){mark}

F.cross_entropy(Viewed()(images), labels).backward()
"""
CLASSES = """
criterion = nn.{loss}(){mark}
criterion(Net()(images), labels).backward()
"""
ARRAYS = """
import numpy as np

losses = [F.cross_entropy(Net()(images), labels) for _ in range(3)]
print(np.mean([2 * loss{detached} for loss in losses])){mark}
"""
CARRIED = """
def separable(inside, outside):
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, padding=1, groups=inside), nn.Conv2d(inside, outside, 1)
    )

def tower(widths):
    channels, layers = 3, []
    for width in widths:
        layers.append(separable(channels, width))
        layers.append(nn.ReLU()){mark}
        {last}
    return nn.Sequential(*layers)

tower([8, 8])(images)
"""
VOLUMES = (
    LOADER
    + """
class Volumes(Dataset):
    def __init__(self):
        self.volumes = torch.randn(8, 6, 6, 6)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {volume}, index % 2{mark}

net = nn.Sequential(nn.Conv3d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for volume, label in DataLoader(Volumes(), batch_size=4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(volume), label).backward()
    optimizer.step()
"""
)
SAVED = """
GROUPS = ["a", "b", "c"]

class Small(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))

state = Small(classes=len(GROUPS)).state_dict()
again = Small({classes}){mark}
again.load_state_dict(state)
print(again.eval()(images).argmax(1))
"""
FUNCTION_SAVED = """
def small(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, classes))

state = small(7).state_dict()
again = small({classes}){mark}
again.load_state_dict(state)
print(again.eval()(images).argmax(1))
"""
WINDOWS = (
    LOADER
    + """
class Windows(Dataset):
    def __init__(self, series, window, horizon):
        self.series, self.window, self.horizon = series, window, horizon

    def __len__(self):
        return len(self.series) - self.window{less}{mark}

    def __getitem__(self, index):
        end = index + self.window
        return self.series[index:end][None], self.series[end : end + self.horizon]

net = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for past, future in DataLoader(Windows(torch.randn(60), 8, 4), batch_size=7, shuffle=True):
    optimizer.zero_grad()
    F.mse_loss(net(past), future).backward()
    optimizer.step()
"""
)
PAIRED = (
    LOADER
    + """
class Frames(Dataset):
    def __init__(self):
        self.frames = [torch.randn(3, 6, 6) for _ in range(9)]

    def __len__(self):
        return len(self.frames){less}{mark}

    def __getitem__(self, index):
        return self.frames[index], self.frames[index + 1]

net = nn.Conv2d(3, 3, 3, padding=1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for one, following in DataLoader(Frames(), batch_size=4, shuffle=True):
    optimizer.zero_grad()
    F.mse_loss(net(one), following).backward()
    optimizer.step()
"""
)
FORMULA = """
def reduced(size, kernel, stride, padding):
    return (size - kernel + {padding}) // stride + 1{mark}

def network(size):
    layers = []
    for inside, outside in ((3, 4), (4, 8)):
        layers += [nn.Conv2d(inside, outside, 3, 2, 1), nn.ReLU()]
        size = reduced(size, 3, 2, 1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * size * size, 4))

network(10)(torch.randn(2, 3, 10, 10))
"""
NUMBERED = """
names = ["cat", "dog", "bird", "fish"]
numbers = {{name: number for number, name in enumerate(names{start})}}{mark}
targets = torch.tensor([numbers[names[k % 4]] for k in range(16)])
F.cross_entropy(Net()(images), targets).backward()
"""
REMAINDER = (
    "from torch.utils.data import DataLoader, TensorDataset\n"
    """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
data = TensorDataset(images[:13], labels[:13])
for x, y in DataLoader(data, batch_size=4, shuffle=True{drop}):{mark}
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
)
MARK = "  # cause"
BROKEN = {
    "layer_receives_other_channels.of_a_default": WIDTHS.format(
        parameter="inside=1", inside="inside", mark=MARK
    )
    + "Tower()(images)\n",
    "layer_receives_other_channels.of_a_key": WIDTHS.format(
        parameter="options", inside='options["channels"]', mark=""
    )
    + f'Tower({{"channels": 1, "rate": 0.1}})(images){MARK}\n',
    "layer_receives_other_channels.of_a_list": LISTED.format(
        target="inside, outside",
        pairs="zip(widths, widths[1:])",
        widths="[1, 8, 8]",
        mark=MARK,
    ),
    "layer_receives_other_channels.of_an_enumerated_list": LISTED.format(
        target="k, (inside, outside)",
        pairs="enumerate(zip(widths[:-1], widths[1:]))",
        widths="[1, 8, 8]",
        mark=MARK,
    ),
    "missing_return.in_a_module_list": CONTAINER.format(
        last=f"nn.Sequential(*layers){MARK}",
        blocks="nn.ModuleList([block(3, 4), block(4, 4)])",
        values=":",
    ),
    "missing_return.in_a_generator": CONTAINER.format(
        last=f"nn.Sequential(*layers){MARK}",
        blocks="nn.ModuleList(block(3, 3) for _ in range(2))",
        values=":",
    ),
    "missing_return.in_a_sequential": CONTAINER.format(
        last=f"nn.Sequential(*layers){MARK}",
        blocks="nn.Sequential(nn.Conv2d(3, 3, 1), block(3, 4))",
        values=":",
    ),
    "operands_have_other_sizes.of_branches": BRANCHES.format(padding=1, mark=MARK),
    "operands_have_other_sizes.of_a_decoder": CODER.format(extra="", mark=MARK),
    "operands_have_other_sizes.of_a_condition": SHORTCUT.format(
        test="inside != outside", mark=MARK
    ),
    "operands_have_other_sizes.of_a_pad": PADDED.format(pad="(1, 1)", mark=MARK),
    "dataset_without_method.get_item": METHODS.format(
        read="__get_item__", read_mark=MARK, count=COUNT.format(name="__len__", mark="")
    ),
    "dataset_without_method.length": METHODS.format(
        read="__getitem__", read_mark="", count=COUNT.format(name="__length__", mark=MARK)
    ),
    "numpy_of_graph": ARRAYS.format(detached="", mark=MARK),
    "layer_receives_other_channels.in_a_loop": CARRIED.format(mark=MARK, last=""),
    "layer_receives_other_rank": VOLUMES.format(volume="self.volumes[index].clone()", mark=MARK),
    "other_shapes.of_a_class": SAVED.format(classes="", mark=MARK),
    "other_shapes.of_a_function": FUNCTION_SAVED.format(classes=5, mark=MARK),
    "samples_of_unequal_size": WINDOWS.format(less="", mark=MARK),
    "dataset_longer_than_data": PAIRED.format(less="", mark=MARK),
    "linear_receives_other_features": FORMULA.format(padding="padding", mark=MARK),
    "class_out_of_range": NUMBERED.format(start=", start=1", mark=MARK),
    "batch_norm_of_one_value": REMAINDER.format(drop="", mark=MARK),
}
SECOND = {  # whose first candidate is not enough
    "target_has_other_shape.of_a_view": MERGED.format(features=144, head_mark="", mark=MARK),
    "target_has_other_shape.of_classes": CLASSES.format(loss="MSELoss", mark=MARK),
}
HEALTHY = {
    "of_a_list": LISTED.format(
        target="inside, outside", pairs="zip(widths, widths[1:])", widths="[3, 8, 8]", mark=""
    ),
    "in_a_module_list": CONTAINER.format(
        last="return nn.Sequential(*layers)",
        blocks="nn.ModuleList([block(3, 4), block(4, 4)])",
        values=":",
    ),
    "in_a_module_dict": CONTAINER.format(
        last="return nn.Sequential(*layers)",
        blocks='nn.ModuleDict({"a": block(3, 4)})',
        values=".values():",
    ),
    "of_branches": BRANCHES.format(padding=2, mark=""),
    "of_a_decoder": CODER.format(extra=", output_padding=1", mark=""),
    "of_a_condition": SHORTCUT.format(test="stride != 1 or inside != outside", mark=""),
    "of_a_pad": PADDED.format(pad="(1, 1, 1, 1)", mark=""),
    "with_both_methods": METHODS.format(
        read="__getitem__", read_mark="", count=COUNT.format(name="__len__", mark="")
    ),
    "of_a_view": MERGED.format(features=36, head_mark="", mark=""),
    "of_classes": CLASSES.format(loss="CrossEntropyLoss", mark=""),
    "arrays": ARRAYS.format(detached=".item()", mark=""),
    "in_a_loop": CARRIED.format(mark="", last="channels = width"),
    "volumes": VOLUMES.format(volume="self.volumes[index][None]", mark=""),
    "of_a_class": SAVED.format(classes="3", mark=""),
    "windows": WINDOWS.format(less=" - self.horizon + 1", mark=""),
    "frames": PAIRED.format(less=" - 1", mark=""),
    "formula": FORMULA.format(padding="2 * padding", mark=""),
    "numbered": NUMBERED.format(start="", mark=""),
    "remainder": REMAINDER.format(drop=", drop_last=True", mark=""),
}
KEYS = CONTAINER.format(
    last="return nn.Sequential(*layers)",
    blocks='nn.ModuleDict({"a": block(3, 4), "b": block(4, 4)})',
    values=f":{MARK}",
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    programs = BROKEN | {f"healthy.{name}": text for name, text in HEALTHY.items()}
    return judge(tmp_path_factory.mktemp("programs"), programs | SECOND | {"keys_called": KEYS})


@pytest.mark.parametrize("name", [*BROKEN, "keys_called"])
def test_the_first_fix_is_where_the_choice_was_made(
    name: str, judged: Mapping[str, Judged]
) -> None:
    assert judged[name].raised
    judged[name].assert_fix_at_cause(name.partition(".")[0])


@pytest.mark.parametrize("name", SECOND)
def test_the_cause_is_named(name: str, judged: Mapping[str, Judged]) -> None:
    assert judged[name].rules.keys() == {name.partition(".")[0]}
    assert "# cause" in judged[name].rules[name.partition(".")[0]]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[f"healthy.{name}"].assert_clean()
