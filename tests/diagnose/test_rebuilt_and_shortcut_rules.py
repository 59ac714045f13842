"""Terms of rebuilt tensors, residual blocks without a shortcut, ranges of a GAN, best values."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
TERMS = """
import numpy as np

net, head = nn.Sequential(nn.Flatten(), nn.Linear(108, 8)), nn.Linear(8, 4)
optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.01)
for step in range(5):
    out = net(images)
    {term}
    loss = F.cross_entropy(head(out), labels) + 0.1 * term
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
BLOCKS = """
class {name}(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), {last}
        )

    def forward(self, x):
        {forward}

class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.blocks = nn.ModuleList([{name}(6) for _ in range(2)])
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = {call}
        return self.head(x.mean((2, 3)))

net = Deep()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
ADVERSARIES = """
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

class Faces(Dataset):
    def __init__(self):
        self.images = torch.randint(0, 256, (32, 8, 8), dtype=torch.uint8).numpy()

    def __len__(self):
        return 32

    def __getitem__(self, i):
        return self.convert(self.images[i])

    convert = transforms.Compose([{transform}])

G = nn.Sequential(nn.Linear(8, 64), {last}, nn.Unflatten(1, (1, 8, 8)))
D = nn.Sequential(nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(288, 1))
of_g, of_d = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (G, D))
bce = nn.BCEWithLogitsLoss()
for real in DataLoader(Faces(), 8, shuffle=True):
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    fake = {fake}
    loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    of_d.zero_grad()
    loss.backward()
    of_d.step()
    loss = bce(D(fake), ones)
    of_g.zero_grad()
    loss.backward()
    of_g.step()
"""
BEST = """
def save_checkpoint(state, is_best):
    if is_best:
        torch.save(state, "best.pt")

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
best = 1e9
for epoch in range(3):
    net.train()
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    net.eval()
    with torch.no_grad():
        loss = F.cross_entropy(net(images), labels).item()
    {test}
    {keep}
"""
HARD = "hard = np.where(out.detach().numpy().sum(1) > -1e9)[0]\n    "
CONV = "nn.Conv2d(width, width, 3, padding=1)"


def terms(term: str) -> str:
    return TERMS.format(term=term)


def blocks(
    forward: str, name: str = "ResnetBlock", last: str = CONV, call: str = "block(x)"
) -> str:
    return BLOCKS.format(forward=forward, name=name, last=last, call=call)


def adversaries(
    transform: str = "transforms.ToTensor()",
    last: str = "nn.Tanh()",
    fake: str = "G(torch.randn(len(real), 8))",
) -> str:
    return ADVERSARIES.format(transform=transform, last=last, fake=fake)


def best(test: str, keep: str) -> str:
    return BEST.format(test=test, keep=keep)


BROKEN = {
    "term_of_rebuilt_tensors": terms(
        f"{HARD}chosen = torch.from_numpy(out.data.numpy()[hard]){MARK}\n"
        "    term = F.relu(chosen.pow(2).sum(1) - 1).mean()"
    ),
    "term_of_rebuilt_tensors.tensor": terms(
        f"numbers = torch.tensor(out.tolist()){MARK}\n    term = (numbers ** 2).mean()"
    ),
    "block_without_shortcut": blocks(f"return self.layers(x){MARK}"),
    "block_without_shortcut.variable": blocks(
        f"out = self.layers(x)\n        return out{MARK}", "ResidualBlock"
    ),
    "tanh_against_shares": adversaries(f"transforms.ToTensor(){MARK}\n"),
    "best_is_never_set.variable": best(
        f"is_best = loss < best{MARK}",
        "if is_best:\n        torch.save(net.state_dict(), 'best.pt')",
    ),
    "best_is_never_set": best(
        f"is_best = loss < best{MARK}", "save_checkpoint(net.state_dict(), is_best)"
    ),
}
HEALTHY = {
    "the output is indexed": terms(
        f"{HARD}chosen = out[torch.from_numpy(hard)]\n"
        "    term = F.relu(chosen.pow(2).sum(1) - 1).mean()"
    ),
    "a weight from numbers": terms(
        "weight = torch.tensor(out.tolist()).abs().mean()\n    term = weight * out.pow(2).mean()"
    ),
    "numbers as a target": terms(
        "wanted = torch.from_numpy(out.detach().numpy().round())\n"
        "    term = F.mse_loss(out, wanted)"
    ),
    "a shortcut": blocks("return x + self.layers(x)"),
    "a shortcut in place": blocks("out = self.layers(x)\n        out += x\n        return out"),
    "a shortcut outside": blocks("return self.layers(x)", call="x + block(x)"),
    "a gate": blocks("return x * torch.sigmoid(self.layers(x))"),
    "another name": blocks("return self.layers(x)", "ConvBlock"),
    "another size": blocks("return self.layers(x)[:, :, ::2, ::2]"),
    "normalized": adversaries("transforms.ToTensor(), transforms.Normalize(0.5, 0.5)"),
    "sigmoid": adversaries(last="nn.Sigmoid()"),
    "shifted to the range of the images": adversaries(
        fake="G(torch.randn(len(real), 8)) / 2 + 0.5"
    ),
    "set in one line": best(
        "is_best, best = loss < best, min(loss, best)",
        "save_checkpoint(net.state_dict(), is_best)",
    ),
    "set afterwards": best(
        "is_best = loss < best\n    best = min(loss, best)",
        "save_checkpoint(net.state_dict(), is_best)",
    ),
    "a threshold": best("good = loss < 0.5", "save_checkpoint(net.state_dict(), good)"),
}
KINDS = {
    "term_of_rebuilt_tensors": "training/graph_detached",
    "block_without_shortcut": "training/layer_output_discarded",
    "tanh_against_shares": "data/normalize_range",
    "best_is_never_set": "state/best_state_not_copied",
}


class TestPrograms(ProgramChecks):
    pass
