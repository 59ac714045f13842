"""Rules about what is loaded how often, and about copies, hooks and optimizers of networks."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "weights_of_classes": "data/sampler_and_shuffle",
    "every_worker_reads_all": "data/same_seed_in_every_worker",
    "subsets_share_a_transform": "training/augmented_validation",
    "reshape_exchanges_dimensions": "data/reshape_instead_of_permute",
    "embeddings_normalized_over_samples": "loss/softmax_dimension",
    "hook_registered_again": "none/hook_never_fired",
    "statistics_not_copied": "state/buffers_not_copied",
    "optimizer_misses_parameters": "training/frozen_and_wrong_optimizer",
}
SETUP = """
import copy
from torch.utils.data import (DataLoader, Dataset, IterableDataset, TensorDataset,
                              WeightedRandomSampler, get_worker_info, random_split)

def fit(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
STREAM = f"""{SETUP}
class Stream(IterableDataset):
    def __iter__(self):
        {{part}}
        for i in range({{first}}, 16, {{step}}):
            yield images[i], labels[i]

fit(Net(), DataLoader(Stream(), batch_size=4, num_workers=2))  # cause
"""
PICTURES = f"""{SETUP}
class Pictures(Dataset):
    transform = None

    def __len__(self):
        return 16

    def __getitem__(self, i):
        return self.transform(images[i]), labels[i]

def flip(image):
    return image.flip(-1)

def same(image):
    return image
"""
AVERAGED = f"""{SETUP}
net = Net()
mean = copy.deepcopy(net).eval().requires_grad_(False)
fit(net, DataLoader(TensorDataset(images, labels), 8, shuffle=True))
with torch.no_grad():
    for p, q in zip(mean.parameters(), net.parameters()):  # cause
        p.mul_(0.5).add_(q, alpha=0.5)
{{rest}}
print(mean(images).argmax(1))
"""
HOOKED = f"""{SETUP}
class Features:
    def __init__(self, net):
        self.net, self.kept = net.eval(), []

    def keep(self, module, inputs, output):
        self.kept.append(output.detach())

    @torch.no_grad()
    def of(self, x):
        {{before}}
        self.net(x)
        {{after}}

features = Features(Net())
for _ in range(4):
    features.of(images)
"""
SIMILAR = """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 5))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    z = F.normalize(net(images), dim={dim})  # cause
    loss = F.cross_entropy({product}, torch.arange({size}))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "weights_of_classes.sampler": f"""{SETUP}
weights = 1.0 / labels.bincount(minlength=4).float().clamp(min=1)
sampler = WeightedRandomSampler(weights, 16)  # cause
fit(Net(), DataLoader(TensorDataset(images, labels), 4, sampler=sampler))
""",
    "every_worker_reads_all.stream": STREAM.format(part="", first=0, step=1),
    "subsets_share_a_transform.split": f"""{PICTURES}
train, val = random_split(Pictures(), [8, 8])
train.dataset.transform = flip
val.dataset.transform = same  # cause
net = Net()
fit(net, DataLoader(train, 4, shuffle=True))
net.eval()
for x, y in DataLoader(val, 4):
    with torch.no_grad():
        net(x)
""",
    "reshape_exchanges_dimensions.sequences": """
waves = torch.randn(16, 50, 9)
net = nn.Sequential(nn.Conv1d(9, 4, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten())
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
inputs = waves.reshape(16, 9, 50)  # cause
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(inputs), labels).backward()
    optimizer.step()
""",
    "embeddings_normalized_over_samples.contrastive": SIMILAR.format(
        dim=0, product="z @ z.T / 0.2", size=16
    ),
    "hook_registered_again.class": HOOKED.format(
        before="self.net.conv.register_forward_hook(self.keep)  # cause", after=""
    ),
    "statistics_not_copied.average": AVERAGED.format(rest=""),
    "statistics_not_copied.by_name": f"""{SETUP}
class Smoothed:
    def __init__(self, net):
        self.net = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def follow(self, other):
        current = dict(other.named_parameters())
        for name, mine in self.net.named_parameters():  # cause
            mine.lerp_(current[name], 0.5)

net = Net()
smoothed = Smoothed(net)
for start in range(0, 16, 8):
    fit(net, [(images[start : start + 8], labels[start : start + 8])])
    smoothed.follow(net)
print(smoothed.net(images).argmax(1))
""",
    "optimizer_misses_parameters.two_of_one": """
maker = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())
critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))
d = torch.optim.Adam(critic.parameters(), lr=1e-4)
g = torch.optim.Adam(critic.parameters(), lr=1e-4)  # cause
yes, no = torch.ones(16, 1), torch.zeros(16, 1)
judge = nn.BCEWithLogitsLoss()
for _ in range(3):
    fakes = maker(torch.randn(16, 3, 6, 6))
    d.zero_grad()
    (judge(critic(images), yes) + judge(critic(fakes.detach()), no)).backward()
    d.step()
    g.zero_grad()
    judge(critic(fakes), yes).backward()
    g.step()
""",
}
HEALTHY = {
    "optimizer_of_each_epoch": """
body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())
head = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
for epoch in range(3):
    optimizer = torch.optim.SGD(head.parameters(), lr=1e-3 / (epoch + 1))
    optimizer.zero_grad()
    F.cross_entropy(head(body(images)), labels).backward()
    optimizer.step()
""",
    "weights_of_samples": f"""{SETUP}
weights = 1.0 / labels.bincount(minlength=4).float().clamp(min=1)
sampler = WeightedRandomSampler(weights[labels], 16)
fit(Net(), DataLoader(TensorDataset(images, labels), 4, sampler=sampler))
""",
    "stream_in_parts": STREAM.format(
        part="part = get_worker_info()", first="part.id", step="part.num_workers"
    ),
    "random_stream": f"""{SETUP}
class Noise(IterableDataset):
    def __iter__(self):
        for _ in range(8):
            i = int(torch.randint(16, ()))
            yield images[i] + 0.1 * torch.randn(3, 6, 6), labels[i]

fit(Net(), DataLoader(Noise(), batch_size=4, num_workers=2))
""",
    "datasets_of_their_own": f"""{PICTURES}
train, _ = random_split(Pictures(), [8, 8], torch.Generator().manual_seed(0))
_, val = random_split(Pictures(), [8, 8], torch.Generator().manual_seed(0))
train.dataset.transform = flip
val.dataset.transform = same
net = Net()
fit(net, DataLoader(train, 4, shuffle=True))
net.eval()
for x, y in DataLoader(val, 4):
    with torch.no_grad():
        net(x)
""",
    "cosines": SIMILAR.format(dim=1, product="z @ z.T / 0.2", size=16),
    "cross_correlation": SIMILAR.format(dim=0, product="z.T @ z", size=5),
    "hook_removed": HOOKED.format(
        before="handle = self.net.conv.register_forward_hook(self.keep)", after="handle.remove()"
    ),
    "initial_weights_are_set_by_name": f"""{SETUP}
net, baseline = Net(), Net()
scales = {{name: 0.1 for name, _ in baseline.named_parameters()}}
with torch.no_grad():
    for name, weight in baseline.named_parameters():
        weight.normal_(0, scales[name])
fit(net, DataLoader(TensorDataset(images, labels), 8, shuffle=True))
print(baseline.eval()(images).argmax(1))
""",
    "statistics_copied": AVERAGED.format(
        rest="for p, q in zip(mean.buffers(), net.buffers()):\n    p.copy_(q)"
    ),
}
WITHOUT_FIX = {
    "weights_of_classes.sampler",
    "every_worker_reads_all.stream",
    "subsets_share_a_transform.split",
    "hook_registered_again.class",
}
FIXED = [name for name in BROKEN if name not in WITHOUT_FIX]


class TestPrograms(FixedProgramChecks):
    pass
