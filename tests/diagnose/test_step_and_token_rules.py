"""Seeds, printed means, noise, tokens, class numbers and feature maps that are joined."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
LOOP = """
{before}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(5):
    {seed}
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
{after}
"""
TRAINER = """
from torch.utils.data import DataLoader, TensorDataset

class Trainer:
    def __init__(self, seed=7):
        self.seed, self.net = seed, Net()
        self.optimizer = torch.optim.Adam(self.net.parameters())

    def step(self, x, y):
        self.optimizer.zero_grad()
        F.cross_entropy(self.net(x), y).backward()
        self.optimizer.step()

    def fit(self, loader):
        for x, y in loader:
            {seed}
            self.step(x, y)

Trainer().fit(DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True))
"""
RUNS = """
def fit(net, optimizer):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()

for rate in (0.1, 0.03, 0.01, 0.003):
    torch.manual_seed(0)
    net = Net()
    {fit}
"""
MEANS = """
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(images, labels)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss({options})
count, running, correct = 0, 0.0, 0
for epoch in range(2):
    for {batch}:
        optimizer.zero_grad()
        scores = net(x)
        {loss}
        loss.backward()
        optimizer.step()
        {add}
        if {test}:
            print(epoch, {mean})
            {clear} = 0
"""
GAN = """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images), batch_size=4, shuffle=True)
G = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 108), nn.Unflatten(1, (3, 6, 6)))
D = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))
for_g, for_d = (torch.optim.Adam(n.parameters(), 1e-4, betas=(0.5, 0.9)) for n in (G, D))
bce = nn.BCEWithLogitsLoss()
{before}
for epoch in range(2):
    for (real,) in loader:
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        {noise}
        fake = G(z)
        for_d.zero_grad()
        (bce(D(real), ones) + bce(D(fake.detach()), zeros)).backward()
        for_d.step()
        for_g.zero_grad()
        bce(D(fake), ones).backward()
        for_g.step()
"""
PERTURBED = """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True)
G = nn.Sequential(nn.Linear(8, 108), nn.Tanh(), nn.Unflatten(1, (3, 6, 6)))
net = Net()
optimizer = torch.optim.Adam([*G.parameters(), *net.parameters()], 1e-3)
z = torch.randn(1, 8)
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x + 0.1 * G(z)), y) + F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
"""
PRIOR = """
net = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
z = torch.randn(1, 4, 6, 6)
optimizer = torch.optim.Adam(net.parameters(), 1e-2)
for _ in range(6):
    optimizer.zero_grad()
    F.mse_loss(net(z), images[:1]).backward()
    optimizer.step()
"""
SEQUENCE = """
class Vit(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 2, 2)
        self.first, self.last = (nn.Parameter(torch.randn(1, 1, width)) for _ in range(2))
        layer = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        first, last = (t.expand(len(x), -1, -1) for t in (self.first, self.last))
        {added}
        x = self.encoder(x)
        return self.out({read})

net = Vit()
optimizer = torch.optim.SGD([p for p in net.parameters()], lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
CLASSES = """
import os, tempfile
{names}
{index}
labels = torch.tensor([index[name] for name in names])
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
torch.save({kept}, os.path.join(tempfile.mkdtemp(), "net.pt"))
"""
UNET = """
class Unet(nn.Module):
    def __init__(self, skips=True):
        super().__init__()
        self.skips = skips
        self.down, self.deep = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.up, self.join = nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(8, 4, 3, padding=1)
        self.out = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        skip = torch.relu(self.down(x))
        up = self.up(torch.relu(self.deep(F.max_pool2d(skip, 2))))
        {joined}
        return self.out(torch.relu({read}))

net = Unet({options})
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(net(images), (images[:, :1] > 0).float())
    loss.backward()
    optimizer.step()
"""
FRAMES = """
class Video(nn.Module):
    def __init__(self):
        super().__init__()
        self.read, self.join = nn.Conv2d(3, 4, 3), nn.Conv2d(8, 4, 3)
        self.out = nn.Linear(16, 4)

    def forward(self, frames):
        before = None
        for frame in frames:
            now = torch.relu(self.read(frame))
            before = now if before is None else before
            joined = self.join(torch.cat([now, before], 1))
            before = now
        return self.out(joined.flatten(1))

net = Video()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net([images, images.flip(3)]), labels).backward()
    optimizer.step()
"""


def loop(seed: str, before: str = "", after: str = "") -> str:
    return LOOP.format(seed=seed, before=before, after=after)


def means(**parts: str) -> str:
    usual = {
        "batch": "i, (x, y) in enumerate(DataLoader(data, batch_size=2, shuffle=True))",
        "loss": "loss = criterion(scores, y)",
        "add": "running += loss.item()",
        "test": "i % 4 == 3",
        "mean": "running / 4",
        "clear": "running",
        "options": "",
    }
    return MEANS.format(**(usual | parts))


def gan(noise: str = "pass", before: str = "") -> str:
    return GAN.format(noise=noise, before=before)


def sequence(added: str, read: str) -> str:
    return SEQUENCE.format(added=added, read=read)


def classes(index: str, names: str = "", kept: str = "net.state_dict()") -> str:
    usual = "names = [('cat', 'dog', 'owl', 'fox')[label] for label in labels.tolist()]"
    return CLASSES.format(index=index, names=names or usual, kept=kept)


def unet(joined: str, read: str = "self.join(x)", options: str = "") -> str:
    return UNET.format(joined=joined, read=read, options=options)


TEXTS = "names = ['a_0 b_1 a_2 c_3'.split()[i % 4] for i in range(16)]"
NUMBERED = "index = {name: i for i, name in enumerate(classes)}"
BROKEN = {
    "seeded_in_every_step": loop(f"torch.manual_seed(42){MARK}"),
    "seeded_in_every_step.trainer": TRAINER.format(seed=f"torch.manual_seed(self.seed){MARK}"),
    "seeded_in_every_step.function": loop(
        f"set_seed(SEED){MARK}",
        before="SEED = 3\n\ndef set_seed(seed):\n    torch.manual_seed(seed)\n",
    ),
    "printed_mean_of_other_batches": means(mean=f"running / 100){MARK}").replace(f"{MARK})", MARK),
    "printed_mean_of_other_batches.counted": means(
        batch="x, y in DataLoader(data, batch_size=2, shuffle=True)",
        add="running += loss.detach()\n        count += 1",
        test="count % 4 == 0",
        mean=f"'%.3f' % (running / 20)){MARK}",
    ).replace(f"{MARK})", MARK),
    "noise_drawn_once": gan(before=f"z = torch.randn(4, 8){MARK}"),
    "noise_drawn_once.uniform": gan(before=f"z = torch.empty(4, 8).uniform_(-1, 1){MARK}"),
    "other_token_read": sequence(f"x = torch.cat([x, last], dim=1){MARK}", "x[:, 0]"),
    "other_token_read.tuple": sequence(
        f"x = torch.cat((x, self.last.repeat(len(x), 1, 1)), 1){MARK}", "x[:, 0, :]"
    ),
    "classes_in_order_of_a_set": classes(f"classes = list(set(names)){MARK}\n{NUMBERED}"),
    "classes_in_order_of_a_set.loop": classes(
        f"index = {{}}\nfor i, name in enumerate(set(names)):{MARK}\n    index[name] = i",
        names=TEXTS,
    ),
    "joined_with_itself": unet(f"x = torch.cat([up, up], 1){MARK}"),
    "joined_with_itself.renamed": unet(
        f"skip = up\n        x = torch.cat((up, skip), dim=1){MARK}"
    ),
}
KINDS = {
    "seeded_in_every_step": "training/not_learning",
    "printed_mean_of_other_batches": "loss/accuracy_divided_by_batches",
    "noise_drawn_once": "training/not_learning",
    "other_token_read": "module",
    "classes_in_order_of_a_set": "data/pairs_out_of_order",
    "joined_with_itself": "module",
}
FIXED = ["printed_mean_of_other_batches", "classes_in_order_of_a_set"]
HEALTHY = {
    "seeded_before": loop("pass", before="torch.manual_seed(42)"),
    "seed_of_the_step": loop("torch.manual_seed(1000 + step)"),
    "seed_that_is_drawn": TRAINER.format(
        seed="self.seed = int(torch.randint(99, ())); torch.manual_seed(self.seed)"
    ),
    "seeded_for_each_run": RUNS.format(fit="fit(net, torch.optim.SGD(net.parameters(), lr=rate))"),
    "seeded_for_each_run.closure": RUNS.format(
        fit="optimizer = torch.optim.SGD(net.parameters(), lr=rate)\n"
        "    F.cross_entropy(net(images), labels).backward()\n    optimizer.step()"
    ),
    "seeded_for_each_run.steps": RUNS.format(
        fit="optimizer = torch.optim.SGD(net.parameters(), lr=rate)\n"
        "    for _ in range(3):\n        fit(net, optimizer)"
    ),
    "generator_of_its_own": loop(
        "noise.manual_seed(0)\n    x = torch.randn(2, generator=noise)",
        before="noise = torch.Generator()",
    ),
    "samples_are_shown_now_and_then": loop(
        "if step % 2 == 0:\n        torch.manual_seed(0)\n        print(torch.randn(2))"
    ),
    "state_is_restored": loop(
        "state = torch.get_rng_state()\n    torch.manual_seed(0)\n    x = torch.randn(2)\n"
        "    torch.set_rng_state(state)"
    ),
    "fork": loop(
        "with torch.random.fork_rng():\n        torch.manual_seed(0)\n        torch.randn(2)"
    ),
    "nothing_is_drawn": loop("torch.manual_seed(0)").replace(
        "net = Net()", "net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))"
    ),
    "both_compared": loop(
        "torch.manual_seed(0)\n    one = net(images)\n    torch.manual_seed(0)\n"
        "    two = other(images)\n    print(float((one - two).detach().abs().max()))",
        before="import copy\nother = Net()",
    ),
    "mean_of_all": means(),
    "samples": means(
        add="running += loss.item() * len(x)", mean="running / 8", test="(i + 1) % 4 == 0"
    ),
    "sum_of_samples": means(options="reduction='sum'", mean="running / 8"),
    "sum_of_samples.by_hand": means(
        loss="loss = F.cross_entropy(scores, y, reduction='none').sum()", mean="running / 8"
    ),
    "right_answers": means(
        add="correct += (scores.argmax(1) == y).sum().item()", mean="correct / 8", clear="correct"
    ),
    "mean_of_mean": means(mean="running / 2 / 2"),
    "accumulated": means(loss="loss = criterion(scores, y) / 2", mean="running / 2"),
    "step_of_the_range": means(
        batch="i in range(0, 16, 2)",
        loss="y = labels[i:i + 2]\n        loss = criterion(scores, y)",
        test="i % 8 == 6",
    ).replace("scores = net(x)", "scores = net(images[i:i + 2])"),
    "noise_of_each_step": gan("z = torch.randn(len(real), 8)"),
    "noise_in_place": gan("z.normal_()", before="z = torch.randn(4, 8)"),
    "noise_in_data": gan("z.data.normal_()", before="z = torch.randn(4, 8)"),
    "noise_out": gan("torch.randn(4, 8, out=z)", before="z = torch.randn(4, 8)"),
    "noise_resized": gan("z.resize_(4, 8).normal_(0, 1)", before="z = torch.randn(4, 8)"),
    "noise_copied": gan("z.copy_(torch.randn(4, 8))", before="z = torch.randn(4, 8)"),
    "noise_that_is_shown": gan(
        "z = torch.randn(len(real), 8)\n        with torch.no_grad():\n            G(fixed)",
        before="fixed = torch.randn(4, 8)",
    ),
    "universal_perturbation": PERTURBED,
    "deep_image_prior": PRIOR,
    "token_first": sequence("x = torch.cat([first, x], 1)", "x[:, 0]"),
    "token_last": sequence("x = torch.cat([x, last], 1)", "x[:, -1]"),
    "token_last.read_by_its_number": sequence(
        "n = x.shape[1]\n        x = torch.cat([x, last], 1)", "x[:, n]"
    ),
    "register": sequence(
        "x = torch.cat([first, x], 1)\n        x = torch.cat([x, last], 1)", "x[:, 0]"
    ),
    "register.one_call": sequence("x = torch.cat([first, x, last], 1)", "x[:, 0]"),
    "register.mean": sequence("x = torch.cat([x, last], 1)", "x[:, :-1].mean(1)"),
    "start_of_sequence": sequence("x = torch.cat([first, x], 1)", "x[:, -1]"),
    "both_tokens_read": sequence("x = torch.cat([x, last], 1)", "x[:, 0] + x[:, -1]"),
    "sorted_classes": classes(f"classes = sorted(set(names))\n{NUMBERED}"),
    "sorted_later": classes(f"classes = list(set(names))\nclasses.sort()\n{NUMBERED}"),
    "set_of_integers": classes(
        "index = {name: i for i, name in enumerate(set(names))}", names="names = labels.tolist()"
    ),
    "numbers_saved": classes(
        f"classes = list(set(names))\n{NUMBERED}", kept="{'net': net.state_dict(), 'index': index}"
    ),
    "classes_saved": classes(
        f"classes = list(set(names))\n{NUMBERED}\nkept = dict(net={{}}, classes=classes)",
        kept="kept",
    ),
    "set_only_printed": classes(
        "index = {name: i for i, name in enumerate(sorted(set(names)))}\n"
        "for i, name in enumerate(set(names)):\n    print(i, name)"
    ),
    "skip_joined": unet("x = torch.cat([up, skip], 1)"),
    "shortcut_widened": unet(
        "x = torch.cat([up, up], 1)", read="self.join(x + torch.cat([skip, up], 1))"
    ),
    "option_without_skips": unet(
        "other = skip if self.skips else up\n        x = torch.cat([up, other], 1)",
        options="skips=False",
    ),
    "negative_half": unet("x = torch.cat([up, -up], 1)"),
    "first_frame": FRAMES,
}


class TestPrograms(FixedProgramChecks):
    pass
