"""Rules about random changes of samples that a dataset of the program makes itself."""

from __future__ import annotations

from rule_checks import ProgramChecks

KINDS = {
    "subsets_share_a_transform": "training/augmented_validation",
    "augmented_validation": "training/augmented_validation",
}
SPLIT = """
import random
from torch.utils.data import DataLoader, Dataset, random_split

class Photos(Dataset):
    def __init__(self, noisy=True):
        self.photos, self.classes, self.noisy, self.tagged = images, labels, noisy, False

    def __len__(self):
        return len(self.photos)

    def mirrored(self, photo):
        return photo.flip(2) if random.random() < 0.5 else photo

    def __getitem__(self, index):
        photo = self.photos[index]
        {change}
        return {sample}

def fit(net, loader, epochs=2):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(epochs):
        net.train()
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

@torch.no_grad()
def score(net, loader):
    net.eval()
    return torch.cat([(net(x).argmax(1) == y).float() for x, y in loader]).mean().item()

net = Net()
"""
LABELED = "photo, self.classes[index]"
SWITCHED = SPLIT.format(
    change="if self.noisy:\n            photo = self.mirrored(photo + torch.randn_like(photo))",
    sample=LABELED,
)
ALWAYS = SPLIT.format(change="photo = self.mirrored(photo)", sample=LABELED)
RUN = """
train, val = random_split(Photos(), [12, 4])
fit(net, DataLoader(train, 4, shuffle=True))
print(score(net, DataLoader(val, 4)){more})
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "subsets_share_a_transform.flag": f"""{SWITCHED}
def loaders(data):
    train, val = random_split(data, [12, 4])
    train.dataset.noisy = True
    val.dataset.noisy = False  # cause
    return DataLoader(train, batch_size=4, shuffle=True), DataLoader(val, batch_size=4)

for_training, for_validation = loaders(Photos())
fit(net, for_training)
print(score(net, for_validation))
""",
    "augmented_validation.by_hand": f"""{ALWAYS}
train, val = random_split(Photos(), [12, 4])
batches = DataLoader(train, 4, shuffle=True)
for _ in range(2):
    fit(net, batches, 1)
    print(score(net, DataLoader(val, 4)))  # cause
""",
}
HEALTHY = {
    "flag_that_is_switched_back": f"""{SWITCHED}
def validate(net, part, loader):
    part.dataset.noisy = False
    result = score(net, loader)
    part.dataset.noisy = True
    return result

train, val = random_split(Photos(), [12, 4])
fit(net, DataLoader(train, 4, shuffle=True))
print(validate(net, val, DataLoader(val, 4)))
""",
    "flag_after_the_training": f"""{SWITCHED}
train, val = random_split(Photos(), [12, 4])
fit(net, DataLoader(train, 4, shuffle=True))
val.dataset.noisy = False
print(score(net, DataLoader(val, 4)))
""",
    "flag_that_changes_no_sample": f"""{SWITCHED}
train, val = random_split(Photos(noisy=False), [12, 4])
val.dataset.tagged = True
fit(net, DataLoader(train, 4, shuffle=True))
print(score(net, DataLoader(val, 4)))
""",
    "two_datasets": f"""{SWITCHED}
train, val = random_split(range(16), [12, 4])
train = torch.utils.data.Subset(Photos(), train.indices)
val = torch.utils.data.Subset(Photos(noisy=False), val.indices)
fit(net, DataLoader(train, 4, shuffle=True))
print(score(net, DataLoader(val, 4)))
""",
    "noise_that_belongs_to_the_task": SPLIT.format(
        change="photo = photo + torch.randn_like(photo)", sample=LABELED
    )
    + RUN.format(more=""),
    "several_views_of_a_validation": f"""{ALWAYS}
train, val = random_split(Photos(), [12, 4])
fit(net, DataLoader(train, 4, shuffle=True))
views = DataLoader(val, 4)
print(sum(score(net, views) for _ in range(4)) / 4)
""",
    "labels_drawn_with_the_samples": SPLIT.format(
        change="mark = int(random.random() < 0.5)\n        photo = photo + mark",
        sample="photo, mark",
    )
    + RUN.format(more=""),
}


class TestPrograms(ProgramChecks):
    """The mistakes are found at their lines, and look-alikes are clean."""
