"""Rules about images of two scales, classes of two numbers, and losses of sums and means."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "normalize_of_unscaled_pixels": "data/normalize_range",
    "scale_differs_at_inference": "data/normalize_range",
    "bytes_normalized_as_shares": "data/normalize_range",
    "pixels_scaled_twice": "data/normalize_range",
    "sums_and_means_in_one_loss": "loss/kl_div_reduction",
    "divergence_averaged_over_latents": "loss/kl_div_reduction",
    "class_numbers_differ": "data/pairs_out_of_order",
}
PHOTOS = """
import numpy as np
from torch.utils.data import DataLoader, Dataset

class Photos(Dataset):
    def __init__(self, training):
        self.pixels = np.random.default_rng(0).integers(0, 256, (16, 6, 6, 3), dtype=np.uint8)
        self.training = training

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, i):
        x = torch.from_numpy(self.pixels[i]).permute(2, 0, 1).float()
        {item}
        return x, int(labels[i])

def run(net, loader, optimizer=None):
    net.train(optimizer is not None)
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            {batch}
            loss = F.cross_entropy(net(x), y){mark}
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
training = DataLoader(Photos(True), 4, shuffle=True)
validation = DataLoader(Photos(False), 8)
for epoch in range(2):
    run(net, training, optimizer)
    run(net, validation)
{end}
"""
NORMALIZED = """
import numpy as np
from torchvision import transforms

to_input = transforms.Compose([{convert}, transforms.Normalize({mean}, {std})])

def brighter(picture, factor):
    return {brighter}

pictures = np.random.default_rng(0).integers(0, 256, (16, 6, 6, 3), dtype=np.uint8)
x = torch.stack([to_input(brighter(picture, 1.1)) for picture in pictures]){mark}
F.cross_entropy(Net()(x.float()), labels).backward()
"""
VARIATIONAL = """
class Variational(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), nn.Linear(108, 20), nn.ReLU())
        self.mean, self.spread = nn.Linear(20, 3), nn.Linear(20, 3)
        self.decode = nn.Sequential(nn.Linear(3, 20), nn.ReLU(), nn.Linear(20, 108))

    def forward(self, x):
        h = self.encode(x)
        mean, spread = self.mean(h), self.spread(h)
        z = mean + torch.randn_like(mean) * torch.exp(spread / 2)
        return self.decode(z).view_as(x), mean, spread

def elbo(made, x, mean, spread):
    {error}
    {divergence}
    return {total}

vae = Variational()
optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
for x in images.split(4):
    optimizer.zero_grad()
    elbo(*((out := vae(x))[:1]), x, *out[1:]).backward()
    optimizer.step()
"""
FOLDERS = """
import tempfile
from pathlib import Path
from PIL import Image
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

def write(folder, names):
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(4):
            picture = Image.new("RGB", (6, 6), (40 * i, 90, 10 * len(name)))
            picture.save(folder / name / f"{{i}}.png")

root = Path(tempfile.mkdtemp())
write(root / "train", {training})
write(root / "val", {validation})
tensors = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
training = datasets.ImageFolder(root / "train", tensors)
validation = datasets.ImageFolder(root / "val", tensors{more})  # cause
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in DataLoader(training, 4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    for x, y in DataLoader(validation, 4):
        print((net(x).argmax(1) == y).float().mean().item())
"""
LABELED = """
from torch.utils.data import DataLoader, Dataset

class Labeled(Dataset):
    def __init__(self, rows, names):
        self.rows, self.names = rows, names
        self.numbers = {{name: i for i, name in enumerate({order})}}{mark}

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return images[self.rows[i]], self.numbers[self.names[i]]

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
first = Labeled(range(8), ["ash", "fir", "oak", "elm"] * 2)
second = Labeled(range(8, 16), ["oak", "elm", "fir", "fir"] * 2)
for x, y in DataLoader(first, 4, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    for x, y in DataLoader(second, 4):
        print((net(x).argmax(1) == y).float().mean().item())
"""
MEAN = "error = F.mse_loss(made, x)"
SUM = 'error = F.mse_loss(made, x, reduction="sum")'
KL = "1 + spread - mean.pow(2) - spread.exp()"
DISTRIBUTIONS = (
    "normal = torch.distributions.Normal\n"
    "    found, prior = normal(mean, (spread / 2).exp()), normal(0.0, 1.0)\n"
    "    divergence = torch.distributions.kl_divergence(found, prior)"
)
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "scale_differs_at_inference.bytes": PHOTOS.format(
        item="if self.training:\n            x = x / 255", batch="pass", mark="  # cause", end=""
    ),
    "scale_differs_at_inference.normalized": PHOTOS.format(
        item="x = x if not self.training else (x / 255 - 0.5) / 0.25",
        batch="pass",
        mark="  # cause",
        end="",
    ),
    "scale_differs_at_inference.normalized_bytes": PHOTOS.format(
        item="part = self.pixels[i] / (1 if self.training else 255)\n"
        "        x = torch.from_numpy((part - 0.45) / 0.23).permute(2, 0, 1).float()",
        batch="pass",
        mark="  # cause",
        end="",
    ),
    "scale_differs_at_inference.copy": PHOTOS.format(
        item="x = (x / 255 - 0.45) / 0.23",
        batch="pass",
        mark="",
        end="import copy\nengine = copy.deepcopy(net).eval()\n"
        "for picture in training.dataset.pixels:\n"
        "    x = (picture.astype(np.float32) - 0.45) / 0.23\n"
        "    print(engine(torch.from_numpy(x).permute(2, 0, 1)[None]).argmax())  # cause\n",
    ),
    "bytes_normalized_as_shares.only_in_training": PHOTOS.format(
        item="x = ((x if self.training else x / 255) - 0.45) / 0.23  # cause",
        batch="pass",
        mark="",
        end="",
    ),
    "pixels_scaled_twice.function": PHOTOS.format(
        item="from torchvision.transforms import functional as TF\n"
        "        x = TF.to_tensor(self.pixels[i])\n"
        "        x = TF.normalize(x / 255, [0.5] * 3, [0.25] * 3)  # cause",
        batch="pass",
        mark="",
        end="",
    ),
    "pixels_scaled_twice.in_place": PHOTOS.format(
        item="x = x / 255\n        x.div_(255.0)  # cause", batch="pass", mark="", end=""
    ),
    "normalize_of_unscaled_pixels.floats": NORMALIZED.format(
        convert="lambda picture: torch.from_numpy(picture).permute(2, 0, 1)",
        mean=[0.5, 0.4, 0.4],
        std=[0.2, 0.2, 0.3],
        brighter="np.clip(picture.astype(np.float32) * factor, 0, 255)",
        mark="  # cause",
    ),
    "sums_and_means_in_one_loss.mean_error": VARIATIONAL.format(
        error=f"{MEAN}  # cause",
        divergence=f"divergence = -0.5 * torch.sum({KL})",
        total="error + divergence",
    ),
    "divergence_averaged_over_latents.sum": VARIATIONAL.format(
        error=SUM,
        divergence=f"divergence = -0.5 * torch.mean({KL})  # cause",
        total="error + divergence",
    ),
    "divergence_averaged_over_latents.per_image": VARIATIONAL.format(
        error=f"{SUM} / len(x)",
        divergence=f"divergence = -0.5 * ({KL}).mean()  # cause",
        total="error + divergence",
    ),
    "divergence_averaged_over_latents.distributions": VARIATIONAL.format(
        error="error = (made - x).square().flatten(1).sum(1).mean()",
        divergence=DISTRIBUTIONS + ".mean()  # cause",
        total="error + divergence",
    ),
    "class_numbers_differ.folders": FOLDERS.format(
        training=["ant", "bee", "cow"], validation=["bee", "cow"], more=""
    ),
    "class_numbers_differ.attribute": LABELED.replace(
        "self.numbers = ",
        "self.known = list(dict.fromkeys(names))  # cause\n        self.numbers = ",
    ).format(order="self.known", mark=""),
    "class_numbers_differ.labels": LABELED.format(order="dict.fromkeys(names)", mark="  # cause"),
}
HEALTHY = {
    "scaled_once": PHOTOS.format(item="x = x / 255", batch="pass", mark="", end=""),
    "scaled_to_less": PHOTOS.format(item="x = x / 255 / 2", batch="pass", mark="", end=""),
    "sum_of_dark_pixels": PHOTOS.format(
        item="x = (x / 255) * 0.05 / 255 * 4000", batch="pass", mark="", end=""
    ),
    "same_folders": FOLDERS.format(
        training=["ant", "bee", "cow"], validation=["ant", "bee", "cow"], more=""
    ),
    "first_folders": FOLDERS.format(
        training=["ant", "bee", "cow"], validation=["ant", "bee"], more=""
    ),
    "numbers_of_the_training": FOLDERS.format(
        training=["ant", "bee", "cow"],
        validation=["bee", "cow"],
        more=", target_transform=lambda i: training.class_to_idx[['bee', 'cow'][i]]",
    ),
    "sorted_classes": LABELED.format(order='["ash", "elm", "fir", "oak"]', mark=""),
    "floats_of_8_bits": NORMALIZED.format(
        convert="transforms.ToTensor()",
        mean=[0.5, 0.4, 0.4],
        std=[0.2, 0.2, 0.3],
        brighter="np.clip(picture * factor, 0, 255).astype(np.uint8)",
        mark="",
    ),
    "mean_of_pixels": NORMALIZED.format(
        convert="transforms.ToTensor()",
        mean=[127, 120, 110],
        std=[60, 60, 60],
        brighter="picture.astype(np.float32)",
        mark="",
    ),
    "scaled_in_both": PHOTOS.format(item="x = x / 255", batch="pass", mark="", end=""),
    "normalized_in_both": PHOTOS.format(item="pass", batch="x = (x - 127) / 64", mark="", end=""),
    "scaled_in_the_loop": PHOTOS.format(
        item="x = x / 255 if self.training else x",
        batch="x = x if net.training else x / 255",
        mark="",
        end="",
    ),
    "noise_at_inference": PHOTOS.format(
        item="x = x / 255",
        batch="pass",
        mark="",
        end="with torch.no_grad():\n    print(net(torch.randn(4, 3, 6, 6) * 20).shape)",
    ),
    "two_sums": VARIATIONAL.format(
        error=SUM, divergence=f"divergence = -0.5 * torch.sum({KL})", total="error + divergence"
    ),
    "two_means": VARIATIONAL.format(
        error=MEAN, divergence=f"divergence = -0.5 * torch.mean({KL})", total="error + divergence"
    ),
    "weighted_mean": VARIATIONAL.format(
        error=SUM,
        divergence=f"divergence = -0.5 * torch.mean({KL})",
        total="error + 3 * divergence",
    ),
    "sums_of_distributions": VARIATIONAL.format(
        error="error = (made - x).square().flatten(1).sum(1).mean()",
        divergence=DISTRIBUTIONS + ".sum(1).mean()",
        total="error + divergence",
    ),
    "mean_size_of_codes": VARIATIONAL.format(
        error=f"{SUM} / len(x)",
        divergence="divergence = mean.pow(2).mean()",
        total="error + divergence",
    ),
    "divided_sum": VARIATIONAL.format(
        error=MEAN,
        divergence=f"divergence = -0.5 * torch.sum({KL}) / len(x)",
        total="error + divergence",
    ),
    "weighted_sum": VARIATIONAL.format(
        error=MEAN,
        divergence=f"divergence = -0.5 * torch.sum({KL})",
        total="error + 0.002 * divergence",
    ),
    "mean_of_sums": VARIATIONAL.format(
        error="error = (made - x).square().sum((1, 2, 3)).mean()",
        divergence=f"divergence = -0.5 * ({KL}).sum(1).mean()",
        total="error + divergence",
    ),
    "policy_and_value": """
class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.act, self.rate = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, x):
        x = torch.tanh(self.body(x))
        return self.act(x), self.rate(x).squeeze(1)

net = Both()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for _ in range(2):
    scores, values = net(torch.randn(9, 4))
    chosen = torch.distributions.Categorical(logits=scores)
    returns = torch.randn(9)
    policy = -(chosen.log_prob(chosen.sample()) * (returns - values.detach())).sum()
    optimizer.zero_grad()
    (policy + F.smooth_l1_loss(values, returns)).backward()
    optimizer.step()
""",
    "penalty_of_weights": """
net = Net()
for x, y in zip(images.split(4), labels.split(4)):
    net.zero_grad()
    (F.cross_entropy(net(x), y) + net.head.weight.abs().sum()).backward()
""",
}
FIXED = ["sums_and_means_in_one_loss.mean_error"]


class TestPrograms(FixedProgramChecks):
    pass
