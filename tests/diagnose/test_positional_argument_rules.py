"""Arguments that are passed by position and land in another parameter than that of their name."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(3):
    optimizer.zero_grad()
    {loss}
    loss.backward()
    optimizer.step()
"""


def train(before: str, loss: str = "loss = F.cross_entropy(net(images), labels)") -> str:
    return before + TRAIN.format(loss=loss)


FLIPPED = """
class Boxes(torch.utils.data.Dataset):
    def __init__(self, augment=False):
        self.augment = augment

    def __len__(self):
        return 16

    def __getitem__(self, i):
        flip = self.augment and i % 2 == 0
        x = images[i].flip(2) if flip else images[i]
        return x, {call}

    def target(self, i, with_area=False, flip=False):
        return labels[i] if not flip else labels[i]

for x, y in torch.utils.data.DataLoader(Boxes(augment=True), 4):
    F.cross_entropy(Net()(x), y).backward()
"""
FOCAL = """
def focal(scores, targets, alpha=0.25, gamma=2.0):
    p = F.softmax(scores, 1)[torch.arange(len(targets)), targets]
    return -(alpha * (1 - p) ** gamma * p.clamp_min(1e-6).log()).mean()

gamma = 1.5
"""
SMALL = """
class Small(nn.Module):
    def __init__(self, classes=4, with_norm=False, hidden=8):
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8) if with_norm else nn.Identity()
        self.head = nn.Linear(8 * 16, 4)

    def forward(self, x, noise=0.0, normalize=False):
        x = self.body(x + noise)
        return self.head((self.norm(x) if normalize else x).relu().flatten(1))
"""
BLOCK = """
class Block(nn.Sequential):
    def __init__(self, in_ch=8, out_ch=8, mid_ch=8):
        super().__init__(nn.Conv2d(in_ch, out_ch, 3), nn.ReLU())
        self.mid = mid_ch

mid_ch = 6
blocks = nn.Sequential(Block(3, mid_ch), nn.Flatten(), nn.Linear(96, 4))
"""
BROKEN = {
    "lands_in_another_parameter": FLIPPED.format(call=f"self.target(i, flip){MARK}"),
    "lands_in_another_parameter.numbers": train(
        FOCAL, f"loss = focal(net(images), labels, gamma){MARK}"
    ),
    "lands_in_another_parameter.constructor": train(
        f"{SMALL}\nwith_norm = True\nsmall = Small(with_norm){MARK}\n"
        "F.cross_entropy(small(images, normalize=True), labels)\n"
    ),
    "lands_in_another_parameter.settings": train(
        "import argparse\n\nargs = argparse.Namespace(shuffle=True, seed=3)\n\n"
        "def read(batch_size=8, shuffle=False, seed=0):\n    torch.manual_seed(seed)\n"
        "    order = torch.randperm(16) if shuffle else torch.arange(16)\n"
        "    return images[order][:batch_size], labels[order][:batch_size]\n\n"
        f"x, y = read(8, args.seed){MARK}\n",
        "loss = F.cross_entropy(net(x), y)",
    ),
    "lands_in_another_parameter.method": train(
        "class Reader:\n    def read(self, raw=False, strict=False):\n        return images\n\n"
        f"strict = True\nreader = Reader()\nreader.read(strict){MARK}\n"
    ),
    "lands_in_another_parameter.network": train(
        f"{SMALL}\nnormalize = True\nsmall = Small(with_norm=True)\n"
        f"F.cross_entropy(small(images, normalize), labels){MARK}\n"
    ),
}
KINDS = {"lands_in_another_parameter": "other"}
FIXED = ["lands_in_another_parameter", "lands_in_another_parameter.numbers"]
HEALTHY = {
    "by_keyword": FLIPPED.format(call="self.target(i, flip=flip)"),
    "all_by_position": FLIPPED.format(call="self.target(i, False, flip)"),
    "another_name": FLIPPED.format(call="self.target(i, self.augment)"),
    "required_parameter": train(
        "def mix(x, weight, mask=None):\n    return x * weight\n\nmask = torch.ones(16, 1, 1, 1)\n",
        "loss = F.cross_entropy(net(mix(images, mask)), labels)",
    ),
    "optional_tensors": train(
        "def norm(image=None, mask=None):\n    return image / image.abs().max()\n\n"
        "mask = torch.rand(16, 3, 6, 6)\n",
        "loss = F.cross_entropy(net(norm(mask)), labels)",
    ),
    "sizes": train(f"{BLOCK}F.cross_entropy(blocks(images), labels)\n"),
    "counters": train(
        "def log(value, step=0, epoch=0):\n    print(step, epoch, value)\n",
        "loss = F.cross_entropy(net(images), labels)\n    log(loss.item(), epoch)",
    ),
    "names": train(
        "def show(value, label='', title=None):\n    print(label, title, value)\n\n"
        "title = 'loss'\nshow(1, title)\n"
    ),
    "exchanged_on_purpose": train(
        "def divergence(first=None, second=None, scale=1.0):\n"
        "    return scale * F.kl_div(first.log_softmax(1), second.softmax(1), "
        "reduction='batchmean')\n",
        "first, second = net(images), net(images)\n"
        "    loss = divergence(first, second) + divergence(second, first)",
    ),
    "function_of_a_library": train(
        "def dropout(x, p=0.5, training=True):\n    return x\n\ntraining = True\n",
        "loss = F.cross_entropy(net(F.dropout(images, 0.1, training)), labels)",
    ),
    "two_classes_with_one_method": train(
        "class One:\n    def read(self, strict=False, raw=False):\n        return raw\n\n"
        "class Two:\n    def read(self, raw=False, strict=False):\n        return raw\n\n"
        "raw = True\ntwo = Two()\ntwo.read(raw)\n"
    ),
    "method_of_another_object": train(
        "class Store:\n    def __init__(self, inner):\n        self.inner = inner\n\n"
        "    def put(self, x, check=True, deep=False):\n"
        "        return self.inner.put(x, deep)\n\n"
        "class Inner:\n    pass\n\n"
        "inner = Inner()\ninner.put = lambda x, deep: x\nStore(inner).put(images)\n"
    ),
    "decorated": train(
        "import functools\n\ndef swapping(f):\n    @functools.wraps(f)\n"
        "    def inner(x, deep=False):\n        return f(x, deep=deep)\n    return inner\n\n"
        "@swapping\ndef run(x, fast=False, deep=False):\n    return x if deep else -x\n\n"
        "deep = True\nrun(images, deep)\n"
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
