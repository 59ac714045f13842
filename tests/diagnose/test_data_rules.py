"""Rules about datasets, the order of samples, and the preparation of images."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "dataset_modifies_its_data": "data/inplace_mutates_constant",
    "labels_in_order": "data/no_shuffle",
    "same_order_in_each_epoch": "data/no_shuffle",
    "same_order_in_each_epoch.distributed": "data/sampler_set_epoch",
    "same_order_in_each_epoch.ranks": "data/sampler_set_epoch",
    "first_batch_only": "data/no_shuffle",
    "no_batch_at_all": "data/last_partial_batch",
    "files_out_of_order": "data/pairs_out_of_order",
    "permuted_apart": "data/pairs_out_of_order",
    "overlapping_parts": "data/random_split_twice",
    "pixels_not_scaled": "data/normalize_range",
    "normalized_twice": "data/normalize_range",
    "augmented_validation": "training/augmented_validation",
}
LOADING = """
import numpy as np
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split

def fit(net, loader, epochs=2):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    return net

class Frames(Dataset):
    def __init__(self, frames, marks):
        self.frames, self.marks = frames, marks

    def __len__(self):
        return len(self.frames)
"""
PIXELS = "torch.randint(0, 256, (16, 3, 6, 6), dtype=torch.uint8)"
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
RANKS = f"""{LOADING}
from torch.utils.data import DistributedSampler

data = TensorDataset(images, labels)

def make(rank, **options):
    part = DistributedSampler(data, num_replicas=2, rank=rank, **options)
    return DataLoader(data, batch_size=2, sampler=part, drop_last=True)

class Trainer:
    def __init__(self):
        self.net = Net()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01)

    def step(self, parts):
        self.optimizer.zero_grad()
        for x, y in parts:
            F.cross_entropy(self.net(x), y).backward()
        self.optimizer.step()

    def fit(self, loaders):
        for epoch in range(3):
            self.epoch(loaders, epoch)

    def epoch(self, loaders, epoch):"""
BROKEN = {
    "dataset_modifies_its_data.augmented": f"""{LOADING}
class Shifted(Frames):
    def __getitem__(self, i):
        x = self.frames[i]
        x -= x.mean() / 2  # cause
        return x, self.marks[i]

fit(Net(), DataLoader(Shifted(images, labels), 4, shuffle=True))
""",
    "dataset_modifies_its_data.method": f"""{LOADING}
def standardize(x):
    return x.sub_(0.3).div_(0.2)  # cause

class Standardized(Frames):
    def __getitem__(self, i):
        return standardize(self.frames[i]), self.marks[i]

fit(Net(), DataLoader(Standardized(images, labels), 4, shuffle=True))
""",
    "dataset_modifies_its_data.numpy": f"""{LOADING}
SPREAD = np.full((3, 1, 1), 2.0, dtype=np.float32)

class Arrays(Frames):
    def __getitem__(self, i):
        spread = SPREAD
        spread *= 1.5  # cause
        return torch.from_numpy(self.frames[i] / spread), int(self.marks[i])

parts = random_split(Arrays(images.numpy(), labels.numpy()), [12, 4])
fit(Net(), DataLoader(parts[0], 4, shuffle=True))
""",
    "labels_in_order.tensors": f"""{LOADING}
marks = torch.arange(16) // 4
loader = DataLoader(TensorDataset(images, marks), batch_size=4)  # cause
fit(Net(), loader)
""",
    "labels_in_order.pairs": f"""{LOADING}
class Listed:
    def __init__(self):
        self.rows = [(images[n], n // 4) for n in range(16)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, n):
        return self.rows[n]

fit(Net(), DataLoader(Listed(), batch_size=4))  # cause
""",
    "labels_in_order.attribute": f"""{LOADING}
class Sorted(Frames):
    def __init__(self, frames, marks):
        super().__init__(frames, marks)
        self.targets = marks.tolist()

    def __getitem__(self, i):
        return self.frames[i], self.targets[i]

def loaders(data):
    return DataLoader(data, 4)  # cause

fit(Net(), loaders(Sorted(images, torch.arange(16) // 8)))
""",
    "same_order_in_each_epoch.seeded": f"""{LOADING}
data, net = TensorDataset(images, labels), Net()
for epoch in range(3):
    order = torch.Generator().manual_seed(7)
    fit(net, DataLoader(data, 4, shuffle=True, generator=order), epochs=1)  # cause
""",
    "same_order_in_each_epoch.distributed": f"""{LOADING}
from torch.utils.data import DistributedSampler

data = TensorDataset(images, labels)
part = DistributedSampler(data, num_replicas=2, rank=1)
net, loader = Net(), DataLoader(data, 4, sampler=part)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(2):
    for x, y in loader:  # cause
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
    "same_order_in_each_epoch.ranks": f"""{RANKS}
        for parts in zip(*loaders):  # cause
            self.step(parts)

Trainer().fit([make(rank) for rank in range(2)])
""",
    "first_batch_only.next": f"""{LOADING}
loader, net = DataLoader(TensorDataset(images, labels), batch_size=4), Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(5):
    x, y = next(iter(loader))  # cause
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
    "no_batch_at_all.small": f"""{LOADING}
fit(Net(), DataLoader(TensorDataset(images, labels), 32, shuffle=True, drop_last=True))  # cause
""",
    "files_out_of_order.listing": f"""{LOADING}
class Pairs(Dataset):
    def __init__(self):
        self.photos = [f"photos/{{n}}.png" for n in (3, 1, 2, 0)]
        self.masks = [f"masks/{{n}}.png" for n in (0, 1, 2, 3)]

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return torch.full((3, 6, 6), float(self.photos[i][7])), int(self.masks[i][6])

fit(Net(), DataLoader(Pairs(), 2, shuffle=True))  # cause
""",
    "permuted_apart.tensors": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(2):
    x = images[torch.randperm(len(images))]
    y = labels[torch.randperm(len(labels))]  # cause
    for i in range(0, 16, 8):
        optimizer.zero_grad()
        F.cross_entropy(net(x[i:i + 8]), y[i:i + 8]).backward()
        optimizer.step()
""",
    "overlapping_parts.subsets": f"""{LOADING}
data = TensorDataset(images, labels)
training = DataLoader(Subset(data, range(0, 12)), 4, shuffle=True)
validation = DataLoader(Subset(data, range(10, 16)), 4)  # cause
net = fit(Net(), training).eval()
with torch.no_grad():
    print(sum((net(x).argmax(1) == y).sum().item() for x, y in validation))
""",
    "pixels_not_scaled.batch": f"""{LOADING}
pixels = {PIXELS}
class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))

    def forward(self, x):
        return self.layers(x)

net = Plain()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
for x, y in DataLoader(TensorDataset(pixels, labels), 4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x.float()), y).backward()  # cause
    optimizer.step()
""",
    "normalized_twice.compose": f"""{LOADING}
from torchvision import transforms as T
prepare = T.Compose([
    T.Normalize([0.4, 0.4, 0.4], [0.2, 0.2, 0.2]),
    T.Normalize(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),  # cause
])
class Prepared(Frames):
    def __getitem__(self, i):
        return prepare(self.frames[i]), self.marks[i]

fit(Net(), DataLoader(Prepared(torch.rand(16, 3, 6, 6), labels), 4, shuffle=True))
""",
}
AUGMENTED = f"""{LOADING}
from torchvision import transforms as T
augment = T.Compose([T.RandomHorizontalFlip(), T.ColorJitter(0.1)])

class Photos(Frames):
    def __init__(self, frames, marks, change=None):
        super().__init__(frames, marks)
        self.change = change

    def __getitem__(self, i):
        x = self.frames[i]
        return self.change(x) if self.change else x, int(self.marks[i])

def score(net, loader):
    net.eval()
    with torch.no_grad():
        return sum((net(x).argmax(1) == y).sum().item() for x, y in loader)

faces = torch.rand(16, 3, 6, 6)
"""
BROKEN["augmented_validation.split"] = f"""{AUGMENTED}
training, validation = random_split(Photos(faces, labels, augment), [12, 4])
net = fit(Net(), DataLoader(training, 4, shuffle=True))
print(score(net, DataLoader(validation, 4)))  # cause
"""
BROKEN["augmented_validation.transform"] = f"""{AUGMENTED}
training, validation = Photos(faces[:12], labels[:12], augment), Photos(faces[12:], labels, augment)
net = fit(Net(), DataLoader(training, 4, shuffle=True))
print(score(net, DataLoader(validation, 4)))  # cause
"""
HEALTHY = {
    "ranks_with_set_epoch": f"""{RANKS}
        for loader in loaders:
            loader.sampler.set_epoch(epoch)
        for parts in zip(*loaders):
            self.step(parts)

Trainer().fit([make(rank) for rank in range(2)])
""",
    "ranks_in_order": f"""{RANKS}
        for parts in zip(*loaders):
            self.step(parts)

Trainer().fit([make(rank, shuffle=False) for rank in range(2)])
""",
    "ranks_of_one_epoch": f"""{RANKS}
        if epoch:
            return
        for parts in zip(*loaders):
            self.step(parts)

Trainer().fit([make(rank) for rank in range(2)])
""",
    "ranks_with_a_new_seed": f"""{RANKS}
        loaders = [make(rank, seed=epoch) for rank in range(2)]
        for parts in zip(*loaders):
            self.step(parts)

Trainer().fit([])
""",
    "ranks_are_scored": f"""{RANKS}
        part = DistributedSampler(data, num_replicas=2, rank=0)
        part.set_epoch(epoch)
        for x, y in DataLoader(data, 4, sampler=part):
            self.step([(x, y)])
        self.net.eval()
        with torch.no_grad():
            for (x, y), _ in zip(*loaders):
                print((self.net(x).argmax(1) == y).sum().item())
        self.net.train()

Trainer().fit([make(rank) for rank in range(2)])
""",
    "epochs_of_a_distributed_sampler": f"""{LOADING}
from torch.utils.data import DistributedSampler

data, net = TensorDataset(images, labels), Net()
part = DistributedSampler(data, num_replicas=2, rank=0)
loader = DataLoader(data, 4, sampler=part)
for epoch in range(3):
    part.set_epoch(epoch)
    fit(net, loader, epochs=1)
""",
    "validation_without_augmentation": f"""{AUGMENTED}
training, validation = Photos(faces, labels, augment), Photos(faces, labels)
loader = DataLoader(Subset(training, range(12)), 4, shuffle=True)
net = fit(Net(), loader)
print(score(net, DataLoader(Subset(validation, range(12, 16)), 4)), score(net, loader))
""",
    "dataset_caches_and_counts": f"""{LOADING}
class Cached(Frames):
    def __init__(self, frames, marks):
        super().__init__(frames, marks)
        self.cache, self.full = torch.zeros(16, 3, 6, 6), torch.zeros(16, dtype=torch.bool)
        self.visits, self.noise = torch.zeros(16), torch.empty(3, 6, 6)

    def __getitem__(self, i):
        if not self.full[i]:
            self.cache[i] = self.frames[i] * 2
            self.full[i] = True
        self.visits[i] += 1
        self.noise.normal_()
        return self.cache[i] + 0.1 * self.noise, self.marks[i]

fit(Net(), DataLoader(Cached(images, labels), 4, shuffle=True))
""",
    "dataset_modifies_a_copy": f"""{LOADING}
class Copied(Frames):
    def __getitem__(self, i):
        x = self.frames[i].clone()
        x -= x.mean()
        return x.mul_(2), self.marks[i]

fit(Net(), DataLoader(Copied(images, labels), 4, shuffle=True))
""",
    "evaluation_reads_in_order": f"""{LOADING}
marks = torch.arange(16) // 4
net = fit(Net(), DataLoader(TensorDataset(images, marks), 4, shuffle=True)).eval()
fixed = DataLoader(TensorDataset(images, marks), 4)
with torch.no_grad():
    for _ in range(3):
        print(sum((net(x).argmax(1) == y).sum().item() for x, y in fixed))
        print(net(next(iter(fixed))[0]).sum())
""",
    "one_batch_is_all": f"""{LOADING}
fit(Net(), DataLoader(TensorDataset(images, torch.arange(16) // 4), batch_size=16))
""",
    "draws_random_batches": f"""{LOADING}
loader, net = DataLoader(TensorDataset(images, labels), 4, shuffle=True), Net()
for step in range(4):
    fit(net, [next(iter(loader))], epochs=1)
""",
    "steps_through_an_iterator": f"""{LOADING}
from itertools import cycle
loader, net = DataLoader(TensorDataset(images, labels), 4, shuffle=True), Net()
stream = cycle(loader)
fit(net, [next(stream) for _ in range(6)], epochs=1)
""",
    "permutes_both_alike": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(2):
    order = torch.randperm(16)
    x, y = images[order], labels[order]
    other = torch.randperm(16)
    optimizer.zero_grad()
    out = net(0.7 * x + 0.3 * x[other])
    (0.7 * F.cross_entropy(out, y) + 0.3 * F.cross_entropy(out, y[other])).backward()
    optimizer.step()
""",
    "parts_without_overlap": f"""{LOADING}
training, validation = random_split(TensorDataset(images, labels), [12, 4])
net = fit(Net(), DataLoader(training, 4, shuffle=True)).eval()
with torch.no_grad():
    for part in (validation, training, Subset(training.dataset, training.indices[:4])):
        print(sum((net(x).argmax(1) == y).sum().item() for x, y in DataLoader(part, 4)))
""",
    "scales_pixels_itself": f"""{LOADING}
class Scaling(Net):
    def forward(self, x):
        return super().forward(x / 127.5 - 1)

net = fit(Scaling(), DataLoader(TensorDataset({PIXELS}.float(), labels), 4, shuffle=True))
""",
    "normalizes_after_the_first_layer": f"""{LOADING}
fit(Net(), DataLoader(TensorDataset({PIXELS}.float(), labels), 4, shuffle=True))
""",
    "undoes_a_normalization": f"""{LOADING}
from torchvision import transforms as T
there = T.Normalize([0.5] * 3, [0.25] * 3)
back = T.Normalize([-2.0] * 3, [4.0] * 3)
x = there(torch.rand(4, 3, 6, 6))
print(Net()(x).sum(), back(x).mean())
""",
    "updates_a_state": """
class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x, memory, slot):
        memory[slot] = x.detach().mean(0)
        return self.inner(x + memory.mean(0)), memory

net, memory = Memory(), torch.zeros(3, 4)
for step in range(3):
    out, memory = net(torch.randn(2, 4), memory, step)
    out.sum().backward()
""",
    "activates_in_place": """
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 4))
critic = nn.Sequential(nn.LeakyReLU(0.2, inplace=True), nn.Linear(4, 1))
critic(net(images)).mean().backward()
""",
}


WITHOUT_FIX = {
    "same_order_in_each_epoch.seeded",
    "same_order_in_each_epoch.distributed",
    "same_order_in_each_epoch.ranks",
    "files_out_of_order.listing",
    "overlapping_parts.subsets",
    "normalized_twice.compose",
    "augmented_validation.split",
    "augmented_validation.transform",
    "dataset_modifies_its_data.method",
}
FIXED = [name for name in BROKEN if name not in WITHOUT_FIX]


class TestPrograms(FixedProgramChecks):
    pass
