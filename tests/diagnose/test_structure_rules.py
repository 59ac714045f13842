"""Rules about what a network registers, calls and connects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAIN = """
def fit(net, x=images, y=labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
# Each program has one mistake, in the line that is marked: (rule, kind, program).
BROKEN = {
    "norm_is_forgotten": (
        "layer_never_called",
        "training/unused_layer",
        """
class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        return self.out(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3)
        self.head = Head(80)

    def forward(self, x):
        return self.head(F.relu(self.stem(x)).flatten(1))

fit(Model())
""",
    ),
    "first_layer_called_twice": (
        "layer_never_called",
        "training/unused_layer",
        """
class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 8, 3, padding=1)
        self.three = nn.Conv2d(8, 8, 3, padding=1)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.two(F.relu(self.one(x))))
        x = F.relu(self.two(x))
        return self.out(x.mean((2, 3)))

fit(Deep())
""",
    ),
    "activation_of_nothing": (
        "output_discarded",
        "training/layer_output_discarded",
        """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 8, 3), nn.LeakyReLU()
        self.out = nn.Linear(8 * 16, 4)

    def forward(self, x):
        h = self.conv(x)
        self.act(h)  # cause
        return self.out(F.relu(h).flatten(1))

fit(Block())
""",
    ),
    "functional_result_is_lost": (
        "output_discarded",
        "training/layer_output_discarded",
        """
class Scaled(Net):
    def forward(self, x):
        F.normalize(x, dim=1)  # cause
        return super().forward(x)

fit(Scaled())
""",
    ),
    "batch_is_not_clamped": (
        "output_discarded",
        "training/layer_output_discarded",
        """
def prepare(batch):
    batch = batch * 3
    batch.clamp(-1, 1)  # cause
    return batch

fit(Net(), prepare(images))
""",
    ),
    "last_norm_feeds_nothing": (
        "result_not_used",
        "training/unused_layer",
        """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.mix = nn.Linear(108, 16), nn.Linear(16, 16)
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        h = torch.tanh(self.stem(x.flatten(1)))
        refined = torch.tanh(self.mix(h))
        return self.out(h)  # cause

fit(Model())
""",
    ),
    "convolution_of_each_pass": (
        "layer_created_in_forward",
        "training/layer_created_in_forward",
        """
class Model(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.width = width
        self.stem = nn.Conv2d(3, width, 3)
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(nn.Conv2d(self.width, self.width, 3)(x))  # cause
        return self.out(x.mean((2, 3)))

fit(Model())
""",
    ),
    "branches_in_a_dict": (
        "layers_not_registered",
        "training/empty_parameter_list",
        """
class Branches(nn.Module):
    def __init__(self, sizes=(1, 3)):
        super().__init__()
        self.branches = {f"k{k}": nn.Conv2d(3, 4, k, padding=k // 2) for k in sizes}  # cause
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        found = [F.relu(branch(x)) for branch in self.branches.values()]
        return self.out(torch.cat(found, 1).mean((2, 3)))

fit(Branches())
""",
    ),
    "layers_are_appended": (
        "layers_not_registered",
        "training/empty_parameter_list",
        """
def layer(into, out):
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1), nn.ReLU())

class Stack(nn.Module):
    def __init__(self, widths=(3, 6, 8)):
        super().__init__()
        self.stack = []  # cause
        for into, out in zip(widths, widths[1:]):
            self.stack.append(layer(into, out))
        self.out = nn.Linear(widths[-1], 4)

    def forward(self, x):
        for one in self.stack:
            x = one(x)
        return self.out(x.mean((2, 3)))

fit(Stack())
""",
    ),
    "mean_is_an_attribute": (
        "tensor_not_buffer",
        "device/new_tensor_on_cpu",
        """
class Centered(Net):
    def __init__(self, mean=(0.1, 0.2, 0.3)):
        super().__init__()
        self.mean = torch.tensor(mean)[:, None, None]  # cause

    def forward(self, x):
        return super().forward(x - self.mean)

fit(Centered())
""",
    ),
    "random_projection_is_not_saved": (
        "tensor_not_buffer",
        "state/state_dict_mismatch",
        """
class Projected(nn.Module):
    def __init__(self):
        super().__init__()
        self.basis = torch.randn(108, 12) / 12  # cause
        self.out = nn.Linear(12, 4)

    def forward(self, x):
        return self.out(torch.sin(x.flatten(1) @ self.basis))

fit(Projected())
""",
    ),
    "scale_is_not_a_parameter": (
        "tensor_not_parameter",
        "training/empty_parameter_list",
        """
class Gated(Net):
    def __init__(self):
        super().__init__()
        self.gate = torch.ones(3, 1, 1, requires_grad=True)  # cause

    def forward(self, x):
        return super().forward(x * self.gate)

fit(Gated())
""",
    ),
    "buffers_have_second_names": (
        "stale_alias",
        "device/buffer_alias_not_moved",
        """
class Windowed(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(6))
        self.kernel = self.window  # cause

    def forward(self, x):
        return super().forward(x * self.kernel)

fit(Windowed())
""",
    ),
    "one_block_n_times": (
        "block_repeated",
        "training/empty_parameter_list",
        """
class Tower(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())
        self.body = nn.ModuleList([block for _ in range(depth)])  # cause
        self.out = nn.Linear(108, 4)

    def forward(self, x):
        for one in self.body:
            x = one(x) + x
        return self.out(x.flatten(1))

fit(Tower())
""",
    ),
    "two_convolutions_in_a_row": (
        "activation_missing",
        "training/missing_activation",
        """
class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.norm(self.a(x))  # cause
        x = F.relu(self.b(x))
        return self.out(x.mean((2, 3)))

fit(Plain())
""",
    ),
    "two_linear_layers_in_a_container": (
        "activation_missing",
        "training/missing_activation",
        """
net = nn.Sequential(
    nn.Flatten(),
    nn.Linear(108, 32),
    nn.ReLU(),
    nn.Linear(32, 16),
    nn.Linear(16, 4),  # cause
)
fit(net)
""",
    ),
    "functional_dropout_in_a_class_named_dropout": (
        "dropout_ignores_mode",
        "training/functional_dropout",
        """
class Dropout(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.4)  # cause

net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), Dropout(), nn.Linear(8, 4))
net.eval()
with torch.no_grad():
    print(net(images).argmax(1))
""",
    ),
    "dropout_without_training": (
        "dropout_ignores_mode",
        "training/functional_dropout",
        """
class Dropped(Net):
    def forward(self, x):
        x = F.dropout2d(torch.relu(self.norm(self.conv(x))), 0.2)  # cause
        return self.head(x.flatten(1))

fit(Dropped())
""",
    ),
    "head_by_its_attribute": (
        "size_attribute_changed",
        "training/unused_layer",
        """
def adapt(model, classes):
    model.head.out_features = classes  # cause
    return model

fit(adapt(Net(), 6))
""",
    ),
    "checkpoint_of_a_wrapped_network": (
        "weights_not_loaded",
        "state/dataparallel_prefix",
        """
state = nn.DataParallel(Net()).state_dict()
net = Net().eval()
net.load_state_dict(state, strict=False)  # cause
print(net(images).sum())
""",
    ),
    "backbone_under_another_name": (
        "weights_not_loaded",
        "state/state_dict_mismatch",
        """
class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Net()
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(torch.relu(self.backbone(x)))

def restore(model, state):
    model.load_state_dict(state, strict=False)  # cause
    return model.eval()

print(restore(Wrapped(), Net().state_dict())(images).sum())
""",
    ),
    "weights_into_a_new_network": (
        "weights_loaded_elsewhere",
        "state/state_dict_mismatch",
        """
trained = Net()
fit(trained)
net = Net()
Net().load_state_dict(trained.state_dict())  # cause
print(net.eval()(images).argmax(1))
""",
    ),
    "norm_of_a_training_batch": (
        "output_discarded",
        "training/layer_output_discarded",
        """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.conv(x)
        self.bn(x)  # cause
        return self.out(F.relu(x).mean((2, 3)))

fit(Model())
""",
    ),
    "momentum_of_another_library": (
        "statistics_of_last_batch",
        "training/bn_train_eval_gap",
        """
class Normed(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(5, momentum=0.99)  # cause

fit(Normed())
""",
    ),
    "shortcut_is_not_added": (
        "shortcut_lost",
        "training/layer_output_discarded",
        """
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x):
        shortcut = x  # cause
        x = self.norm(self.conv(x))
        return F.relu(x)

fit(nn.Sequential(Residual(), nn.Flatten(), nn.Linear(108, 4)))
""",
    ),
    "eval_without_parentheses": (
        "method_only_named",
        "training/forgot_eval",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
fit(net)
net.eval  # cause
with torch.no_grad():
    print(net(images).argmax(1))
""",
    ),
}
# Programs that look alike and have no mistake.
HEALTHY = {
    "constant_on_the_device_of_the_network": """
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

class Scaled(Net):
    def __init__(self, device):
        super().__init__()
        self.root = torch.sqrt(torch.tensor([0.5])).to(device)
        self.mean = torch.full((3, 1, 1), 0.2, device=device)

    def forward(self, x):
        return super().forward((x - self.mean) * self.root)

fit(Scaled(device).to(device))
""",
    "constant_that_the_caller_has_moved": """
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

class Masked(Net):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, x):
        return super().forward(x * self.mask)

mask = torch.arange(6) % 2
fit(Masked(1 - mask.to(device).float()).to(device))
""",
    "dropout_layers_that_are_called_by_other_names": """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict({"linear": nn.Linear(108, 8), "dropout": nn.Dropout(0.2)})
        m = self.parts
        self.hidden = lambda x: torch.tanh(m.dropout(m.linear(x)))

    def forward(self, x):
        return self.hidden(x.flatten(1))

class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.head = Block(), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.block.parts.dropout(self.block(x)))

net = Classifier()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    print(net(images).argmax(1))
""",
    "auxiliary_head": """
class Aux(Net):
    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(80, 4)

    def forward(self, x, aux=False):
        x = torch.relu(self.norm(self.conv(x))).flatten(1)
        return (self.head(x), self.aux(x)) if aux else self.head(x)

fit(Aux())
""",
    "experts_are_chosen": """
class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(108, 4) for _ in range(3)])

    def forward(self, x):
        return self.experts[int(x.mean() > 9)](x.flatten(1))

fit(Experts())
""",
    "teacher_in_a_list": """
class Student(nn.Module):
    def __init__(self, teacher):
        super().__init__()
        self.teacher = [teacher]
        self.net = Net()

    def forward(self, x):
        with torch.no_grad():
            wanted = self.teacher[0](x)
        return self.net(x) + 0 * wanted

fit(Student(Net().eval().requires_grad_(False)))
""",
    "lazy_layer": """
class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = None

    def forward(self, x):
        x = x.flatten(1)
        if self.out is None:
            self.out = nn.Linear(x.shape[1], 4)
        return self.out(x)

net = Lazy()
net(images)
fit(net)
""",
    "pooling_in_forward": """
class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 5, 3), nn.Linear(20, 4)

    def forward(self, x):
        return self.out(nn.Flatten()(nn.MaxPool2d(2)(nn.ReLU()(self.conv(x)))))

fit(Pooled())
""",
    "in_place_statements": """
class InPlace(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.act = nn.ReLU(inplace=True)

    def count(self, x):
        self.seen += len(x)
        return self.seen

    def forward(self, x):
        self.count(x)
        x = self.norm(self.conv(x))
        self.act(x)
        return self.head(x.flatten(1))

fit(InPlace())
""",
    "warm_up": """
net = Net().eval()
with torch.no_grad():
    for _ in range(2):
        net(images)
    print(net(images).sum())
""",
    "attention_weights_are_kept": """
class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.score, self.out = nn.Linear(3, 1), nn.Linear(3, 4)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        self.weights = self.score(x).softmax(1)
        return self.out((x * self.weights).sum(1))

net = Pool()
fit(net)
print(net.weights.detach().mean())
""",
    "recurrent_state": """
class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.GRUCell(108, 8), nn.Linear(8, 4)
        self.hidden = torch.zeros(16, 8)

    def forward(self, x):
        self.hidden = self.cell(x.flatten(1), self.hidden.detach())
        return self.out(self.hidden)

fit(Stateful())
""",
    "mean_is_moved": """
class Centered(Net):
    def __init__(self):
        super().__init__()
        self.mean = torch.tensor([0.1, 0.2, 0.3])[:, None, None]

    def forward(self, x):
        return super().forward(x - self.mean.to(x.device))

fit(Centered())
""",
    "separable_convolutions": """
class Separable(nn.Module):
    def __init__(self):
        super().__init__()
        self.depth = nn.Conv2d(3, 3, 3, groups=3)
        self.point = nn.Conv2d(3, 8, 1)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        return self.out(F.relu(self.point(self.depth(x))).mean((2, 3)))

fit(Separable())
""",
    "autoencoder": """
class Auto(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(108, 32), nn.ReLU(), nn.Linear(32, 4))
        self.decoder = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 108))

    def forward(self, x):
        return self.decoder(self.encoder(x))

net = Auto()
optimizer = torch.optim.Adam(net.parameters())
for _ in range(2):
    optimizer.zero_grad()
    F.mse_loss(net(images), images.flatten(1)).backward()
    optimizer.step()
""",
    "low_rank_layer": """
class Adapted(nn.Module):
    def __init__(self, rank=2):
        super().__init__()
        self.base = nn.Linear(108, 16).requires_grad_(False)
        self.down, self.up = nn.Linear(108, rank, bias=False), nn.Linear(rank, 16, bias=False)
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(F.relu(self.base(x) + self.up(self.down(x))))

fit(Adapted())
""",
    "logistic_regression": """
fit(nn.Sequential(nn.Flatten(), nn.Linear(108, 4)))
""",
    "dropout_follows_mode": """
class Dropped(Net):
    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x))).flatten(1)
        return self.head(F.dropout(x, 0.3, self.training))

fit(Dropped())
""",
    "monte_carlo_dropout": """
class Bayesian(Net):
    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x))).flatten(1)
        return self.head(F.dropout(x, p=0.3, training=True))

net = Bayesian()
fit(net)
net.eval()
with torch.no_grad():
    print(torch.stack([net(images).softmax(1) for _ in range(4)]).std(0).mean())
""",
    "shortcut_is_added": """
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        shortcut = x
        x = F.relu(self.conv(x))
        x = x + shortcut
        return x

fit(nn.Sequential(Residual(), nn.Flatten(), nn.Linear(108, 4)))
""",
    "head_is_left_out": """
state = {k: v for k, v in Net().state_dict().items() if not k.startswith("head")}
net = Net()
print(net.load_state_dict(state, strict=False).missing_keys)
fit(net)
""",
    "tied_weights": """
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(4, 8), nn.Linear(8, 4, bias=False)
        self.mix = nn.Linear(8, 8)
        self.out.weight = self.embed.weight

    def forward(self, tokens):
        return self.out(torch.tanh(self.mix(self.embed(tokens))))

fit(Tied(), labels, labels)
""",
    "shared_activation": """
act = nn.ReLU()
fit(nn.Sequential(nn.Flatten(), nn.Linear(108, 8), act, nn.Linear(8, 8), act, nn.Linear(8, 4)))
""",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    broken = {name: TRAIN + program for name, (_, _, program) in BROKEN.items()}
    healthy = {name: TRAIN + program for name, program in HEALTHY.items()}
    return judge(tmp_path_factory.mktemp("programs"), {**broken, **healthy})


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line_and_the_fix_works(
    name: str, judged: Mapping[str, Judged]
) -> None:
    rule, kind, program = BROKEN[name]
    found = judged[name]
    assert not found.failed
    assert found.kinds == {rule: kind}
    assert CAUSE not in program or CAUSE in found.rules[rule]
    assert found.fixed == [rule]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
