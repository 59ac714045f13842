"""Views, copies, options, counts that stay, places in a batch, and tensors with two names."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
net = {net}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net({inputs}), labels).backward()
    optimizer.step()
"""
ATTENTION = """
import math

class Attention(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 2, 2)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        q, k, v = self.q(x), self.k(x), self.v(x)
        {weights}
        return self.out((weights @ v).mean(1))
"""
DATASET = """
import numpy as np
from torch.utils.data import DataLoader, Dataset

class Pictures(Dataset):
    def __init__(self):
        self.pictures = np.random.default_rng(0).random((16, 6, 6, 3), dtype=np.float32)

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        picture = self.pictures[index]
        if np.random.rand() < 0.5:
            {flip}
        picture = np.ascontiguousarray(picture.transpose(2, 0, 1))
        return torch.from_numpy(picture), labels[index]

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in DataLoader(Pictures(), batch_size=8, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
VIEWS = """
from torch.utils.data import DataLoader, TensorDataset

def contrast(one, two):
    one, two = F.normalize(one, dim=1), F.normalize(two, dim=1)
    return F.cross_entropy(one @ two.t() / 0.2, torch.arange(len(one)))

net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), {drop}nn.Flatten(), nn.Linear(64, 8))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
data = TensorDataset(images, images + 0.1 * torch.randn_like(images))
for first, second in DataLoader(data, batch_size=8, shuffle=True):
    optimizer.zero_grad()
    a = net(first)
    {other}
    contrast(a, b).backward()
    optimizer.step()
"""
LOSSES = """
def fit(net, epochs=2):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for epoch in range(epochs):
        {start}
        for i in range(0, 16, 8):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images[i:i + 8]), labels[i:i + 8])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(epoch, {mean})

fit(Net())
"""
OPTION = """
class Pool(nn.Module):
    def __init__(self, {default}):
        super().__init__()
        self.pooling = pooling

    def forward(self, x):
        if self.pooling == "average":
            return x.mean((2, 3))
        if self.pooling == "maximum":
            return x.amax((2, 3))
        return x[:, :, 0, 0]

net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Pool({argument}), nn.Linear(4, 4))
"""
METER = """
class Meter:
    def __init__(self):
        self.right, self.losses = 0, []
        self.count = 0

    def reset(self):
        self.right = 0
        {reset}

    def update(self, scores, labels):
        self.right += int((scores.argmax(1) == labels).sum())
        self.count += len(labels)
        {also}

    def accuracy(self):
        return self.right / self.count

net, meter = Net().eval(), Meter()
with torch.no_grad():
    for _ in range(2):
        meter.reset()
        meter.update(net(images), labels)
        print(meter.accuracy())
"""
TOKENS = """
class Encoder(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 2, 2)
        self.register_buffer("places", torch.randn(40, 1, width))
        layer = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = {placed}
        return self.out(self.encoder(x).mean(1))
"""
BLOCK = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace={inplace})
        self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        {keep}
        {first}
        out = self.relu(self.one(out))
        return self.two(out) + shortcut

layers = [nn.Conv2d(3, 4, 3), Block(), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)]
"""


def attention(weights: str) -> str:
    net = TRAIN.format(net="Attention()", inputs="images")
    return ATTENTION.format(weights=weights) + net


def option(default: str = 'pooling="average"', argument: str = "") -> str:
    return OPTION.format(default=default, argument=argument) + TRAIN.format(
        net="net", inputs="images"
    )


def meter(reset: str = "pass", also: str = "pass") -> str:
    return METER.format(reset=reset, also=also)


def tokens(placed: str) -> str:
    return TOKENS.format(placed=placed) + TRAIN.format(net="Encoder()", inputs="images")


def block(**parts: str) -> str:
    usual = {"inplace": "True", "keep": "shortcut = x", "first": "out = self.relu(x)"}
    text = BLOCK.format(**(usual | parts))
    return text + TRAIN.format(net="nn.Sequential(*layers)", inputs="images")


SCORES = "scores = q @ k.transpose(1, 2)"
BROKEN = {
    "weights_scaled_after_softmax": attention(
        f"{SCORES}\n        weights = torch.softmax(scores, -1) / math.sqrt(8){MARK}"
    ),
    "weights_scaled_after_softmax.by_a_factor": attention(
        f"{SCORES}\n        weights = scores.softmax(-1) * q.shape[-1] ** -0.5{MARK}"
    ),
    "softmax_over_queries": attention(
        f"{SCORES} / math.sqrt(8)\n        weights = torch.softmax(scores, dim=1){MARK}"
    ),
    "softmax_over_queries.method": attention(
        f"{SCORES} / math.sqrt(8)\n        weights = scores.softmax(-2){MARK}"
    ),
    "copy_discarded": DATASET.format(flip=f"np.fliplr(picture){MARK}"),
    "copy_discarded.sorted": f"""
files = {{"b.png", "a.png"}}
names = list(files)
sorted(names){MARK}
print(len(names[0]))
"""
    + TRAIN.format(net="Net()", inputs="images"),
    "view_used_twice": VIEWS.format(drop="", other=f"b = net(first){MARK}"),
    "zero_in_mean": LOSSES.format(start=f"losses = [0.0]{MARK}", mean="sum(losses) / len(losses)"),
    "option_misspelled": option(f'pooling="avarage"{MARK}\n'),
    "option_misspelled.argument": option(argument=f'pooling="maximun"{MARK}\n'),
    "count_not_reset": meter().replace(
        "        pass\n\n    def update", f"        pass{MARK}\n\n    def update"
    ),
    "position_in_batch": tokens(f"x + self.places[:x.shape[0]]{MARK}"),
    "shortcut_changed_in_place": block(first=f"out = self.relu(x){MARK}"),
    "shortcut_changed_in_place.function": block(
        keep="shortcut = x\n        out = shortcut",
        first=f"out = F.relu_(out){MARK}",
        inplace="False",
    ),
}
KINDS = {
    "weights_scaled_after_softmax": "module",
    "softmax_over_queries": "loss/softmax_dimension",
    "copy_discarded": "training/layer_output_discarded",
    "view_used_twice": "loss/triplet_mining",
    "zero_in_mean": "training/metric_not_reset",
    "option_misspelled": "module",
    "count_not_reset": "training/metric_not_reset",
    "position_in_batch": "batch",
    "shortcut_changed_in_place": "module",
}
FIXED = [
    "softmax_over_queries",
    "softmax_over_queries.method",
    "copy_discarded",
    "zero_in_mean",
    "option_misspelled",
    "count_not_reset",
    "shortcut_changed_in_place",
]
HEALTHY = {
    "scores_scaled": attention(f"{SCORES} / math.sqrt(8)\n        weights = scores.softmax(-1)"),
    "normalized_again": attention(
        f"{SCORES}\n        weights = scores.softmax(1)\n"
        "        weights = weights / weights.sum(-1, keepdim=True)"
    ),
    "another_factor": attention(f"{SCORES}\n        weights = 2 * scores.softmax(-1)"),
    "flipped": DATASET.format(flip="picture = np.fliplr(picture)"),
    "written_in_place": DATASET.format(
        flip="picture = picture.copy(); np.clip(picture, 0, 1, out=picture)"
    ),
    "own_function_called_sorted": "\ndef sorted(names):\n    names.sort()\n\n"
    "names = ['b', 'a']\nsorted(names)\nprint(names)\n"
    + TRAIN.format(net="Net()", inputs="images"),
    "both_views": VIEWS.format(drop="", other="b = net(second)"),
    "dropout_makes_the_views": VIEWS.format(drop="nn.Dropout(0.2), ", other="b = net(first)"),
    "noise_makes_the_views": VIEWS.format(drop="Noise(), ", other="b = net(first)").replace(
        "net = nn",
        "class Noise(nn.Module):\n    def forward(self, x):\n"
        "        return x + 0.1 * torch.randn_like(x)\n\nnet = nn",
        1,
    ),
    "two_losses_of_one_view": VIEWS.format(
        drop="", other="contrast(a, first.flatten(1)[:, :8]).backward()\n    b = net(first)"
    ).replace("contrast(a, b)", "F.mse_loss(b, first.flatten(1)[:, :8])"),
    "the_least_loss": VIEWS.format(drop="", other="b = net(second)").replace(
        "for first",
        "first, second = next(iter(DataLoader(data, batch_size=8)))\n"
        "contrast(net(first), net(first)).backward()\nfor first",
        1,
    ),
    "mean_of_losses": LOSSES.format(start="losses = []", mean="sum(losses) / len(losses)"),
    "mean_without_the_first": LOSSES.format(
        start="losses = [0.0]", mean="sum(losses[1:]) / len(losses[1:])"
    ),
    "known_option": option(),
    "other_branch": option(argument='pooling="corner"'),
    "all_reset": meter(reset="self.count = 0"),
    "history_of_all": meter(reset="self.count = 0", also="self.losses.append(0.0)"),
    "places_of_tokens": tokens("x + self.places[:x.shape[1], 0]"),
    "other_tensor": block(keep="shortcut = x.clone()"),
    "not_in_place": block(inplace="False"),
    "shortcut_of_the_activated": block(
        keep="pass", first="out = self.relu(x)\n        shortcut = out", inplace="False"
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
