"""Rules that read samples of a dataset again, and rules about masks, layouts and listings."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "mask_transformed_apart": "data/image_and_mask_transformed_apart",
    "mask_rounded_to_zero": "data/to_tensor_on_a_mask",
    "reshape_exchanges_dimensions": "data/reshape_instead_of_permute",
    "mask_is_a_plain_tensor": "data/plain_tensor_in_transforms_v2",
    "unsorted_listings": "data/pairs_out_of_order",
    "workers_draw_alike": "data/same_seed_in_every_worker",
    "overlapping_parts": "data/random_split_twice",
}
SEGMENTING = """
import random
import numpy as np
from torch.utils.data import DataLoader, Dataset, random_split
from torchvision.transforms import functional as TF
from torchvision.transforms import v2

class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(x)

class Scenes(Dataset):
    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self.scenes = torch.rand(6, 3, 12, 12, generator=generator)
        self.regions = (torch.rand(6, 12, 12, generator=generator) > 0.6).long()

    def __len__(self):
        return 6

def fit(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
RELOADED = """
from torch.utils.data import DataLoader, TensorDataset, random_split

data = TensorDataset(images, labels)

def loaders():
    first, second = {split}
    return DataLoader(first, 4, shuffle=True), DataLoader(second, 4)

def validate(net, loader):
    net.eval()
    with torch.no_grad():
        return sum((net(x).argmax(1) == y).sum().item() for x, y in loader)

train, val = loaders()
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in train:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
print(validate(net, val))

_, val = loaders()
other = Net()
other.load_state_dict({used})
print(validate(other, val))
"""
FILES = """
import glob, os, tempfile
from pathlib import Path

root = Path(tempfile.mkdtemp())
for folder in ("photos", "regions"):
    (root / folder).mkdir()
    for name in ("b", "a", "c", "d"):
        (root / folder / f"{name}.txt").write_text(name)
"""
WORKERS = """
import numpy as np
from torch.utils.data import DataLoader, Dataset

class Noisy(Dataset):
    def __init__(self, generator=None):
        self.rng = generator

    def __len__(self):
        return 8

    def __getitem__(self, index):
        noise = self.rng.standard_normal((3, 6, 6)) if self.rng else torch.randn(3, 6, 6).numpy()
        return torch.from_numpy(noise).float(), index % 4

def fit(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "mask_transformed_apart.twice": f"""{SEGMENTING}
class Augmented(Scenes):
    flip = v2.RandomHorizontalFlip()

    def __getitem__(self, i):
        x = self.flip(self.scenes[i])
        return x, self.flip(self.regions[i][None])[0]  # cause

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "mask_transformed_apart.image_only": f"""{SEGMENTING}
class Augmented(Scenes):
    augment = v2.Compose([v2.RandomVerticalFlip(), v2.ToDtype(torch.float32)])

    def __getitem__(self, i):
        return self.augment(self.scenes[i]), self.regions[i]  # cause

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "mask_transformed_apart.by_hand": f"""{SEGMENTING}
class Augmented(Scenes):
    def __getitem__(self, i):
        x, y = self.scenes[i], self.regions[i]
        if random.random() < 0.5:
            x = x.flip(2)  # cause
        return x, y

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "mask_is_a_plain_tensor.compose": f"""{SEGMENTING}
from torchvision import tv_tensors

class Augmented(Scenes):
    both = v2.Compose([v2.RandomRotation(20), v2.ToDtype(torch.float32, scale=True)])

    def __getitem__(self, i):
        return self.both(tv_tensors.Image(self.scenes[i]), self.regions[i])  # cause

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "mask_is_a_plain_tensor.two_tensors": f"""{SEGMENTING}
flip = v2.RandomVerticalFlip(0.5)
x, y = flip(torch.rand(3, 12, 12), torch.arange(144).reshape(12, 12) // 72)  # cause
F.cross_entropy(Segmenter()(x[None]), y[None]).backward()
""",
    "mask_is_a_plain_tensor.dictionary": f"""{SEGMENTING}
crop = v2.RandomResizedCrop(12, scale=(0.5, 1.0))

def augment(photo, region):
    sample = crop({{"photo": TF.to_pil_image(photo), "region": region}})  # cause
    return TF.to_tensor(sample["photo"]), sample["region"]

x, y = augment(torch.rand(3, 12, 12), torch.arange(144).reshape(12, 12) // 72)
F.cross_entropy(Segmenter()(x[None]), y[None]).backward()
""",
    "mask_rounded_to_zero.long": f"""{SEGMENTING}
region = TF.to_tensor(np.random.default_rng(0).integers(0, 2, (12, 12), dtype=np.uint8))
target = region[0].long()[None]  # cause
F.cross_entropy(Segmenter()(torch.rand(1, 3, 12, 12)), target).backward()
""",
    "mask_rounded_to_zero.to": f"""{SEGMENTING}
def load():
    levels = torch.arange(144).remainder(2).reshape(1, 12, 12) / 255
    return levels.to(torch.int64)  # cause

F.cross_entropy(Segmenter()(torch.rand(1, 3, 12, 12)), load()).backward()
""",
    "reshape_exchanges_dimensions.batch": """
photos = torch.rand(16, 6, 6, 3)
x = photos.reshape(16, 3, 6, 6)  # cause
F.cross_entropy(Net()(x), labels).backward()
""",
    "reshape_exchanges_dimensions.steps": """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)

    def forward(self, x):
        x = self.conv(x).mean(2).transpose(1, 2)
        x = x.reshape(6, -1, 8)  # cause
        return self.out(self.encoder(x).mean(0))

F.cross_entropy(Reader()(images), labels).backward()
""",
    "reshape_exchanges_dimensions.classes": """
def overlap(scores, wanted):
    chances = scores.softmax(1)
    truth = F.one_hot(wanted, 5).view(chances.shape)  # cause
    return (chances * truth).sum() / (chances + truth).sum()

(-overlap(nn.Conv2d(3, 5, 1)(images), torch.randint(5, (16, 6, 6)))).backward()
""",
    "reshape_exchanges_dimensions.function": """
def channels_first(photo):
    height, width, channels = photo.shape
    return photo.view(channels, height, width)  # cause

x = torch.stack([channels_first(photo) for photo in torch.rand(16, 6, 6, 3)])
F.cross_entropy(Net()(x), labels).backward()
""",
    "unsorted_listings.zip": f"""{FILES}
photos = os.listdir(root / "photos")
regions = os.listdir(root / "regions")  # cause
pairs = [(a, b) for a, b in zip(photos, regions)]
F.cross_entropy(Net()(images), labels).backward()
""",
    "unsorted_listings.function": f"""{FILES}
def names(folder):
    return [str(path) for path in (root / folder).iterdir()]  # cause

for photo, region in zip(names("photos"), names("regions")):
    print(photo, region)
F.cross_entropy(Net()(images), labels).backward()
""",
    "unsorted_listings.index": f"""{FILES}
class Pairs(torch.utils.data.Dataset):
    def __init__(self, root):
        self.photos = glob.glob(str(root / "photos/*"))
        self.regions = glob.glob(str(root / "regions/*"))  # cause

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, i):
        return self.photos[i], self.regions[i]

print(Pairs(root)[0])
F.cross_entropy(Net()(images), labels).backward()
""",
    "workers_draw_alike.generator": f"""{WORKERS}
data = Noisy(np.random.default_rng(0))
fit(Net(), DataLoader(data, 4, num_workers=2))  # cause
""",
    "workers_draw_alike.seeded": f"""{WORKERS}
def seed(worker):
    torch.manual_seed(7)

fit(Net(), DataLoader(Noisy(), 4, num_workers=2, worker_init_fn=seed))  # cause
""",
    "overlapping_parts.two_datasets": """
from torch.utils.data import DataLoader, Subset, TensorDataset

def part(indices):
    return Subset(TensorDataset(images, labels), indices)

def fit(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

net = Net()
train = DataLoader(part(range(0, 10)), 5, shuffle=True)
test = DataLoader(part(range(8, 16)), 4)  # cause
fit(net, train)
net.eval()
with torch.no_grad():
    print(sum((net(x).argmax(1) == y).sum() for x, y in test))
""",
    "overlapping_parts.after_a_load": RELOADED.format(
        split="random_split(data, [12, 4])  # cause", used="net.state_dict()"
    ),
}
HEALTHY = {
    "split_alike_after_a_load": RELOADED.format(
        split="random_split(data, [12, 4], torch.Generator().manual_seed(0))",
        used="net.state_dict()",
    ),
    "another_network_of_another_split": RELOADED.format(
        split="random_split(data, [12, 4])", used="Net().state_dict()"
    ),
    "classes_of_pixels_are_permuted": """
def overlap(scores, wanted):
    truth = F.one_hot(wanted, 5).permute(0, 3, 1, 2).reshape(16, 5, 36)
    return (scores.softmax(1).view(truth.shape) * truth).sum() / 36

(-overlap(nn.Conv2d(3, 5, 1)(images), torch.randint(5, (16, 6, 6)))).backward()
""",
    "both_flipped_by_one_draw": f"""{SEGMENTING}
class Augmented(Scenes):
    def __getitem__(self, i):
        x, y = self.scenes[i], self.regions[i]
        if random.random() < 0.5:
            x, y = x.flip(2), y.flip(1)
        return x, y

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "both_in_one_call": f"""{SEGMENTING}
from torchvision import tv_tensors

class Augmented(Scenes):
    flip = v2.RandomHorizontalFlip()

    def __getitem__(self, i):
        x, y = self.flip(self.scenes[i], tv_tensors.Mask(self.regions[i]))
        return x, y.as_subclass(torch.Tensor)

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "same_seed_for_both": f"""{SEGMENTING}
class Augmented(Scenes):
    flip = v2.RandomHorizontalFlip()

    def __getitem__(self, i):
        state = torch.get_rng_state()
        x = self.flip(self.scenes[i])
        torch.set_rng_state(state)
        return x, self.flip(self.regions[i][None])[0]

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "colors_of_the_image_only": f"""{SEGMENTING}
class Augmented(Scenes):
    jitter = v2.ColorJitter(0.3, 0.3)

    def __getitem__(self, i):
        return self.jitter(self.scenes[i]), self.regions[i]

fit(Segmenter(), DataLoader(Augmented(), 3, shuffle=True))
""",
    "mask_of_its_class": f"""{SEGMENTING}
from torchvision import tv_tensors

flip = v2.RandomHorizontalFlip()
mask = tv_tensors.Mask(torch.arange(144).reshape(12, 12) // 72)
x, y = flip(tv_tensors.Image(torch.rand(3, 12, 12)), mask)
F.cross_entropy(Segmenter()(x[None]), y[None]).backward()
""",
    "transforms_that_move_no_pixel": f"""{SEGMENTING}
gray = v2.Compose([v2.RandomGrayscale(), v2.RandomHorizontalFlip(p=0)])
x, y = gray(torch.rand(3, 12, 12), torch.arange(144).reshape(12, 12) // 72)
F.cross_entropy(Segmenter()(x[None]), y[None]).backward()
""",
    "image_with_a_label_and_a_depth": f"""{SEGMENTING}
flip = v2.RandomHorizontalFlip()
x, label, depth = flip(torch.rand(3, 12, 12), torch.tensor(1), torch.rand(6, 6))
F.cross_entropy(Segmenter()(x[None]).mean((2, 3)), label[None]).backward()
print(depth.mean())
""",
    "mask_times_255": f"""{SEGMENTING}
region = TF.to_tensor(np.random.default_rng(0).integers(0, 2, (12, 12), dtype=np.uint8))
target = (region[0] * 255).long()[None]
F.cross_entropy(Segmenter()(torch.rand(1, 3, 12, 12)), target).backward()
""",
    "empty_mask": f"""{SEGMENTING}
target = torch.zeros(1, 12, 12).long()
F.cross_entropy(Segmenter()(torch.rand(1, 3, 12, 12)), target).backward()
""",
    "permute": """
x = torch.rand(16, 6, 6, 3).permute(0, 3, 1, 2)
F.cross_entropy(Net()(x), labels).backward()
""",
    "attention_heads": """
x = torch.rand(2, 12, 8)
heads = x.view(2, 12, 4, 2).transpose(1, 2).reshape(2, 12, 8)
pixels = torch.rand(2, 3, 12, 1).view(2, 3, 12).reshape(2, 3, 4, 3)
F.cross_entropy(Net()(images), labels).backward()
""",
    "sorted_listings": f"""{FILES}
photos = sorted(os.listdir(root / "photos"))
regions = sorted(os.listdir(root / "regions"))
pairs = list(zip(photos, regions))
F.cross_entropy(Net()(images), labels).backward()
""",
    "listings_that_are_counted": f"""{FILES}
photos = os.listdir(root / "photos")
regions = os.listdir(root / "regions")
for step, size in zip(range(2), (len(photos), len(regions))):
    print(step, size)
F.cross_entropy(Net()(images), labels).backward()
""",
    "listings_by_name": f"""{FILES}
regions = {{Path(name).stem: name for name in os.listdir(root / "regions")}}
pairs = [(name, regions[Path(name).stem]) for name in os.listdir(root / "photos")]
print(list(zip(range(2), pairs)))
F.cross_entropy(Net()(images), labels).backward()
""",
    "workers_seeded_by_torch": f"""{WORKERS}
fit(Net(), DataLoader(Noisy(), 4, num_workers=2))
""",
    "workers_seeded_by_name": f"""{WORKERS}
noisy = Noisy(np.random.default_rng(0))
before = noisy.rng.bit_generator.state

def seed(worker):
    noisy.rng = np.random.default_rng(torch.initial_seed() + worker)

fit(Net(), DataLoader(noisy, 4, num_workers=2, worker_init_fn=seed))
assert noisy.rng.bit_generator.state == before
""",
    "workers_seeded_by_worker": f"""{WORKERS}
def seed(worker):
    info = torch.utils.data.get_worker_info()
    info.dataset.rng = np.random.default_rng(info.seed)

fit(Net(), DataLoader(Noisy(np.random.default_rng(0)), 4, num_workers=2, worker_init_fn=seed))
""",
}


FIXED = [
    name
    for name in BROKEN
    if name.startswith(("mask_rounded", "reshape_exchanges", "unsorted_listings"))
]


class TestPrograms(FixedProgramChecks):
    pass
