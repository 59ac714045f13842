"""Random transforms that the validation shares with the training, in many styles."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"augmented_validation": "training/augmented_validation"}
SETUP = """
import copy, random, tempfile
import numpy as np
from pathlib import Path
from torch.utils.data import BatchSampler, DataLoader, Dataset, Subset, SubsetRandomSampler
from torch.utils.data import random_split
from torchvision import transforms as T

class Photos(Dataset):
    def __init__(self, photos, classes, transform=None):
        self.photos, self.classes, self.transform = photos, classes, transform

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, index):
        photo = self.photos[index]
        if self.transform is not None:
            photo = self.transform(photo)
        return photo, int(self.classes[index])

def fit(net, loader, check=None, epochs=2):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(epochs):
        net.train()
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        if check is not None:
            print(score(net, check))

@torch.no_grad()
def score(net, loader):
    net.eval()
    return torch.cat([(net(x).argmax(1) == y).float() for x, y in loader]).mean().item()

order, net = torch.randperm(16).tolist(), Net()
photos = torch.rand(16, 3, 6, 6)
"""
RANDOM = """
augment = T.Compose([T.RandomHorizontalFlip(), T.RandomCrop(6, padding=1)])
plain = T.Compose([T.CenterCrop(6)])
data = Photos(photos, labels, augment)
"""
FLIP = """
class Flip:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, photo):
        if random.random() < self.p:
            photo = photo.flip(2)
        return photo
"""
CROP = """
def crop(photo):
    photo = F.pad(photo, (2, 2, 2, 2))
    top, left = np.random.randint(0, 5, size=2)
    return photo[:, top:top + 6, left:left + 6]
"""
MIRRORED = """
class Mirrored(Photos):
    def __init__(self, photos, classes, train=True):
        super().__init__(photos, classes)
        self.train = train

    def __getitem__(self, index):
        photo, number = super().__getitem__(index)
        if self.train and np.random.rand() > 0.5:
            photo = torch.from_numpy(np.ascontiguousarray(photo.numpy()[:, ::-1]))
        return photo, number
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "augmented_validation.sampler": f"""{SETUP}{RANDOM}
held_out = data
fit(net, DataLoader(data, 4, sampler=SubsetRandomSampler(order[4:])),
    DataLoader(held_out, 4, sampler=SubsetRandomSampler(order[:4])))  # cause
""",
    "augmented_validation.batches": f"""{SETUP}{RANDOM}
def batches(indices):
    return BatchSampler(SubsetRandomSampler(indices), batch_size=4, drop_last=False)

train = DataLoader(data, batch_sampler=batches(order[4:]))
check = DataLoader(data, batch_sampler=batches(order[:4]))  # cause
for _ in range(2):
    fit(net, train, epochs=1)
    print(score(net, check))
print(score(net, check))
""",
    "augmented_validation.subset": f"""{SETUP}{RANDOM}
train, check = random_split(data, [12, 4])
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, 4))  # cause
""",
    "augmented_validation.class_of_files": f"""{SETUP}{FLIP}
class Stored(Dataset):
    def __init__(self, folder, transforms):
        self.rows = [(path, int(path.stem) % 4) for path in sorted(folder.glob("*.pt"))]
        self.transforms = transforms

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        path, number = self.rows[index]
        return self.transforms(torch.load(path)), number

folder = Path(tempfile.mkdtemp())
for number, photo in enumerate(photos):
    torch.save(photo.clone(), folder / f"{{number:02}}.pt")
train, check = random_split(Stored(folder, T.Compose([T.CenterCrop(6), Flip(0.6)])), [12, 4])
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, 4))  # cause
""",
    "augmented_validation.function": f"""{SETUP}{CROP}
train, check = Photos(photos[:12], labels[:12], crop), Photos(photos[12:], labels[12:], crop)
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, batch_size=4))  # cause
""",
    "augmented_validation.hard_coded": f"""{SETUP}{MIRRORED}
train, check = Mirrored(photos[:12], labels[:12]), Mirrored(photos[12:], labels[12:])
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, 4))  # cause
""",
    "augmented_validation.global": f"""{SETUP}
change = T.RandomChoice([T.RandomVerticalFlip(1.0), T.CenterCrop(6)])

class Changed(Photos):
    def __getitem__(self, index):
        photo, number = super().__getitem__(index)
        return change(photo), number

whole = Changed(list(photos), labels)
train, check = Subset(whole, order[:12]), Subset(whole, order[12:])
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, 4))  # cause
""",
    "augmented_validation.rolled": f"""{SETUP}
shift = T.Lambda(lambda photo: photo.roll(int(torch.randint(6, ())), 2))
data = Photos(photos, labels, shift)
fit(net, DataLoader(data, 4, sampler=SubsetRandomSampler(order[4:])),
    DataLoader(data, 4, sampler=order[:4]))  # cause
""",
}
WITH_FIX = ("sampler", "batches", "subset", "function", "rolled")
FIXED = [f"augmented_validation.{name}" for name in WITH_FIX]
HEALTHY = {
    "copy_with_another_transform": f"""{SETUP}{RANDOM}
held_out = copy.copy(data)
held_out.transform = plain
fit(net, DataLoader(data, 4, sampler=SubsetRandomSampler(order[4:])),
    DataLoader(held_out, 4, sampler=SubsetRandomSampler(order[:4])))
""",
    "score_of_the_training": f"""{SETUP}{RANDOM}
fit(net, DataLoader(data, 4, sampler=SubsetRandomSampler(order[4:])),
    DataLoader(data, 4, sampler=SubsetRandomSampler(order[4:])))
""",
    "score_of_a_part_of_the_training": f"""{SETUP}{RANDOM}
train, check = Subset(data, order[:12]), Subset(data, order[:4])
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, 4))
""",
    "some_batches_of_all": f"""{SETUP}{RANDOM}
def some(loader):
    yield next(iter(loader))

fit(net, [*some(DataLoader(data, 2, shuffle=True))] * 2, [*some(DataLoader(data, 2, shuffle=True))])
""",
    "flag_of_the_constructor": f"""{SETUP}{MIRRORED}
train, check = Mirrored(photos[:12], labels[:12]), Mirrored(photos[12:], labels[12:], train=False)
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, 4))
""",
    "switched_off": f"""{SETUP}{MIRRORED}
data = Mirrored(photos, labels)
train, check = Subset(data, order[:12]), Subset(data, order[12:])
for _ in range(2):
    data.train = True
    fit(net, DataLoader(train, 4, shuffle=True), epochs=1)
    data.train = False
    print(score(net, DataLoader(check, 4)))
data.train = True
""",
    "switched_by_a_method": f"""{SETUP}{CROP}
class Modal(Photos):
    def __init__(self, photos, classes):
        super().__init__(photos, classes)
        self.mode = "train"

    def set_mode(self, mode):
        self.mode = mode

    def __getitem__(self, index):
        photo, number = super().__getitem__(index)
        return crop(photo) if self.mode == "train" else photo, number

data = Modal(photos, labels)
train, check = Subset(data, order[:12]), Subset(data, order[12:])
for _ in range(2):
    data.set_mode("train")
    fit(net, DataLoader(train, 4, shuffle=True), epochs=1)
    data.set_mode("eval")
    print(score(net, DataLoader(check, 4)))
data.set_mode("train")
""",
    "noise_of_the_task": f"""{SETUP}
class Noise:
    def __call__(self, photo):
        return photo + 0.1 * torch.randn_like(photo)

data = Photos(photos, labels, Noise())
fit(net, DataLoader(data, 4, sampler=SubsetRandomSampler(order[4:])),
    DataLoader(data, 4, sampler=SubsetRandomSampler(order[:4])))
""",
    "crops_of_large_images": f"""{SETUP}{CROP}
class Cropped(Photos):
    def __getitem__(self, index):
        photo, number = super().__getitem__(index)
        return crop(photo), number

train, check = Cropped(photos[:12], labels[:12]), Cropped(photos[12:], labels[12:])
fit(net, DataLoader(train, 4, shuffle=True), DataLoader(check, 4))
""",
    "several_views": f"""{SETUP}{FLIP}
train, check = random_split(Photos(photos, labels, Flip()), [12, 4])
fit(net, DataLoader(train, 4, shuffle=True))
net.eval()
with torch.no_grad():
    print(sum(torch.cat([net(x) for x, _ in DataLoader(check, 4)]) for _ in range(5)) / 5)
""",
    "images_that_are_drawn": f"""{SETUP}
class Drawn(Dataset):
    def __init__(self, length):
        self.numbers = list(range(length))

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        photo = torch.rand(3, 6, 6)
        if random.random() < 0.5:
            photo = photo.flip(1)
        return photo, index % 4

fit(net, DataLoader(Drawn(12), 4, shuffle=True), DataLoader(Drawn(8), 4))
""",
}


class TestPrograms(FixedProgramChecks):
    pass
