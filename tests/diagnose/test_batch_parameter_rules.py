"""Parameters whose first dimension is that of the batch."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
KINDS = {"parameter_for_each_place_in_batch": "shape/hardcoded_batch_size"}
TOKENS = """
from torch.utils.data import DataLoader, TensorDataset

SIZE, WIDTH = 8, 12

class Tokens(nn.Module):
    def __init__(self, size=SIZE):
        super().__init__()
        self.cut = nn.Conv2d(3, WIDTH, 2, 2)
        self.start = nn.Parameter(torch.zeros(1, 1, WIDTH))
        {built}
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        {placed}
        return self.head(self.encoder(x)[:, 0])

pictures = torch.randn(64, 3, 8, 8)
classes = torch.randint(0, 4, (64,))
net = Tokens()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
for epoch in range(2):
    for x, y in DataLoader(TensorDataset(pictures, classes), SIZE, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
ROWS = """
class Fit(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 10), nn.Tanh())
        {built}
        self.out = nn.Linear(10, 2)

    def forward(self, x, index=None):
        x = self.body(x)
        {used}
        return self.out(x)

data, wanted = torch.randn(40, 6), torch.randn(40, 2)
net = Fit({count})
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in range(6):
    {order}
    for where in {parts}:
        x = {read}
        optimizer.zero_grad()
        F.mse_loss(net(x, where), wanted[where]).backward()
        optimizer.step()
"""
CLIPS = """
class Frames(nn.Module):
    def __init__(self, frames=8):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.when = nn.Parameter(torch.randn(frames, 4))
        self.out = nn.Linear(4, 3)

    def forward(self, clip):
        return self.out(self.conv(clip).mean((2, 3)) + self.when)

video, classes, net = torch.randn(30, 3, 6, 6), torch.randint(0, 3, (30,)), Frames()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for step in range(12):
    begin = int(torch.randint(0, 22, ()))
    optimizer.zero_grad()
    F.cross_entropy(net(video[begin : begin + 8]), classes[begin : begin + 8]).backward()
    optimizer.step()
"""
NOISE = """
from torch.utils.data import DataLoader, TensorDataset

class Attacked(nn.Module):
    def __init__(self, net, shape):
        super().__init__()
        self.net = net
        self.noise = nn.Parameter(torch.randn(shape) * 0.01)

    def forward(self, x):
        return self.net(x + self.noise)

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)

    def forward(self, x):
        return self.out(torch.relu(self.conv(x)).mean((2, 3)))

plain = Plain().requires_grad_(False)
loader = DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True)
{attack}
"""
EACH = """
for x, y in loader:
    attack = Attacked(plain, (len(x), 1, 1, 1))
    optimizer = torch.optim.SGD([attack.noise], lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        (-F.cross_entropy(attack(x), y)).backward()
        optimizer.step()
"""
AGAIN = """
attack = Attacked(plain, (8, 1, 1, 1))
optimizer = torch.optim.SGD([attack.noise], lr=0.1)
for epoch in range(2):
    for x, y in loader:
        attack.noise.data.normal_()
        for step in range(2):
            optimizer.zero_grad()
            (-F.cross_entropy(attack(x), y)).backward()
            optimizer.step()
"""
FREE = """
attack = Attacked(plain, (8, 3, 6, 6))
optimizer = torch.optim.SGD([attack.noise], lr=0.1)
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        (-F.cross_entropy(attack(x), y)).backward()
        optimizer.step()
"""
ADDED = "x = x + self.places"
PLACES = "self.places = nn.Parameter(torch.randn(size, 1, WIDTH))"
CODES = "self.codes = nn.Parameter(torch.randn(rows, 10))"
RANDOM = "order = torch.randperm(40)"


def tokens(built: str, placed: str = ADDED) -> str:
    return TOKENS.format(built=built, placed=placed)


def rows(built: str, used: str = "x = x + self.codes", **parts: str) -> str:
    usual = {"count": "8", "order": RANDOM, "parts": "order.split(8)", "read": "data[where]"}
    return ROWS.format(built=built, used=used, **(usual | parts))


BROKEN = {
    "parameter_for_each_place_in_batch": tokens(PLACES + MARK),
    "parameter_for_each_place_in_batch.class_token": tokens(
        f"self.token = nn.Parameter(torch.randn(size, 1, WIDTH)){MARK}",
        "x = torch.cat([self.token, x], dim=1)",
    ),
    "parameter_for_each_place_in_batch.part": tokens(PLACES + MARK, "x = x + self.places[:len(x)]"),
    "parameter_for_each_place_in_batch.factor": rows(
        f"self.scale = nn.Parameter(torch.rand(rows, 1)){MARK}",
        "x = x * torch.sigmoid(self.scale)",
    ),
    "parameter_for_each_place_in_batch.submodule": tokens(
        "self.add = Add(size)", "x = self.add(x)"
    ).replace(
        "class Tokens",
        "class Add(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
        f"        self.shift = nn.Parameter(torch.rand(n, 1, WIDTH)){MARK}\n\n"
        "    def forward(self, x):\n        return torch.add(self.shift, x)\n\nclass Tokens",
    ),
}
HEALTHY = {
    "for_each_token": tokens("self.places = nn.Parameter(torch.randn(1, 16, WIDTH))"),
    "for_each_token.as_many_as_samples": tokens(
        "self.places = nn.Parameter(torch.randn(16, WIDTH))"
    ).replace("SIZE, WIDTH = 8", "SIZE, WIDTH = 16"),
    "for_each_token.sequence_first": tokens(
        "self.places = nn.Parameter(torch.randn(16, 1, WIDTH))",
        "x = (x.transpose(0, 1) + self.places).transpose(0, 1)",
    ).replace("SIZE, WIDTH = 8", "SIZE, WIDTH = 16"),
    "for_each_channel": tokens(
        "self.places = nn.Parameter(torch.rand(WIDTH, 1))",
        "x = (x.transpose(1, 2) * self.places).transpose(1, 2)",
    ).replace("SIZE, WIDTH = 8", "SIZE, WIDTH = 12"),
    "batch_of_one": tokens(PLACES).replace("SIZE, WIDTH = 8", "SIZE, WIDTH = 1"),
    "expanded_token": tokens(
        "self.size = size", "x = torch.cat([self.start.expand(len(x), -1, -1), x], 1)"
    ),
    "prompts": tokens(
        "self.prompts = nn.Parameter(torch.randn(size, WIDTH))",
        "x = torch.cat([x, self.prompts.expand(len(x), -1, -1)], 1)",
    ),
    "experts": tokens(
        "self.experts = nn.Parameter(torch.rand(size, WIDTH))",
        "x = x + ((x @ self.experts.t()).softmax(-1) @ self.experts)",
    ),
    "ensemble": rows(
        "self.members = nn.Parameter(torch.rand(8, 1, 10))", "x = (x * self.members).mean(0)"
    ),
    "codes_of_samples": rows(
        "self.codes = nn.Embedding(rows, 10)", "x = x + self.codes(index)", count="40"
    ),
    "codes_of_samples.indexed": rows(CODES, "x = x + self.codes[index]", count="40"),
    "nodes_of_a_graph": rows(CODES, count="40", order="pass", parts="[torch.arange(40)]"),
    "codes_of_fixed_shapes": rows(
        CODES, count="40", order="pass", parts="[torch.arange(40)]", read="torch.randn(40, 6)"
    ),
    "sensors": rows(
        CODES, order="pass", parts="[torch.arange(8)]", read="data[:8] + torch.randn(8, 6)"
    ),
    "frames_of_clips": CLIPS,
    "attack_of_each_batch": NOISE.format(attack=EACH),
    "attack_of_each_batch.reset": NOISE.format(attack=AGAIN),
    "free_adversarial_noise": NOISE.format(attack=FREE),
}


class TestPrograms(ProgramChecks):
    pass
