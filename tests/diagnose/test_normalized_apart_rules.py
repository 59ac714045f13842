"""Images that are normalized in training, or at inference, and not in the other one."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
RULE = "normalized_in_one_of_both"
START = """
import numpy as np
from torchvision.transforms import Normalize

rng = np.random.RandomState(0)
pictures = rng.randint(0, 256, (16, 6, 6, 3)).astype(np.uint8)
MEAN, STD = np.array([0.49, 0.46, 0.41]), np.array([0.23, 0.22, 0.22])


def shares(pictures):
    return torch.from_numpy(pictures / 255).permute(0, 3, 1, 2).float()


def prepared(pictures):
    return torch.from_numpy((pictures / 255 - MEAN) / STD).permute(0, 3, 1, 2).float()


class Prepared(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net((x - 0.45) / 0.22)


class Noisy(Net):
    def forward(self, x):
        return super().forward(x - 0.5)


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)


def train(net, batch):
    net.train()
    for _ in range(4):
        optimizer.zero_grad()
        F.cross_entropy(net(batch(pictures)), labels).backward(){trains}
        optimizer.step()


@torch.no_grad()
def validate(net, batch):
    net.eval()
    return (net(batch(pictures)).argmax(1) == labels).float().mean().item()
"""
FOLDER = """
train(net, prepared)
print(validate(net, prepared))
for picture in pictures:
    batch = {prepare}(picture[None])
    with torch.no_grad():
        net(batch).argmax(1){mark}
"""
LOADED = """
normalize = Normalize(mean=[0.5, 0.4, 0.4], std=[0.2, 0.25, 0.25])
train(net, lambda x: normalize(shares(x)))
torch.save(net.state_dict(), "net.pt")
other = Net()
other.load_state_dict(torch.load("net.pt"))
other.eval()
image = shares(pictures[:4])
with torch.no_grad():
    scores = other({image}){mark}
print(scores.argmax(1))
"""

COMPOSED = """
from torchvision.transforms import Compose, Normalize, ToTensor

training = Compose([ToTensor(), Normalize([0.5, 0.4, 0.4], [0.2, 0.25, 0.25])])


class Predictor:
    def __init__(self, net):
        self.net = net.eval()
        self.transform = Compose([ToTensor()]){mark}

    @torch.no_grad()
    def __call__(self, picture):
        return int(self.net(self.transform(picture)[None]).argmax(1))


train(net, lambda pictures: torch.stack([training(one) for one in pictures]))
predict = Predictor(net)
print([predict(picture) for picture in pictures])
"""


def program(text: str, trains: str = "") -> str:
    return START.replace("{trains}", trains) + text


BROKEN = {
    f"{RULE}.folder": program(FOLDER.format(prepare="shares", mark=MARK)),
    f"{RULE}.loaded": program(LOADED.format(image="image", mark=MARK)),
    f"{RULE}.signed": program(
        "\ntrain(net, lambda x: shares(x) * 2 - 1)\nnet.eval()\n"
        f"with torch.no_grad():\n    net(shares(pictures)).argmax(1){MARK}\n"
    ),
    f"{RULE}.composed": program(COMPOSED.format(mark=MARK)),
    f"{RULE}.at_inference": program("\ntrain(net, shares)\nvalidate(net, prepared)\n").replace(
        "F.cross_entropy(net(batch(pictures)), labels).backward()",
        f"scores = net(batch(pictures)){MARK}\n        F.cross_entropy(scores, labels).backward()",
    ),
}
KINDS = {RULE: "data/normalize_range"}
FIXED = [f"{RULE}.loaded"]
HEALTHY = {
    "folder": program(FOLDER.format(prepare="prepared", mark="")),
    "loaded": program(LOADED.format(image="normalize(image)", mark="")),
    "shares": program("\ntrain(net, shares)\nvalidate(net, shares)\n"),
    "wrapped": program(
        "\ntrain(net, lambda x: (shares(x) - 0.45) / 0.22)\nvalidate(Prepared(net), shares)\n"
    ),
    "noise": program(
        "\ntrain(net, lambda x: shares(x) + 0.1 * torch.randn(16, 3, 6, 6))\n"
        "validate(net, shares)\n"
    ),
    "augmented": program(
        "\ntrain(net, lambda x: shares(x) * torch.empty(16, 1, 1, 1).uniform_(-1, 1))\n"
        "validate(net, shares)\n"
    ),
    "few_levels": program(
        "\ntrain(net, lambda x: (shares(x // 16 * 16) - 0.5) / 0.5)\nvalidate(net, shares)\n"
    ),
    "timed": program(
        "\ntrain(net, prepared)\nnet.eval()\nwith torch.no_grad():\n    net(shares(pictures))\n"
    ),
    "other_network": program(
        "\ntrain(net, prepared)\nother = Noisy()\nother.load_state_dict(net.state_dict())\n"
        "validate(other, shares)\n"
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
