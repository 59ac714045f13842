"""Rules about feature maps that become sequences, and about layers that are unfrozen late."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "next_element_seen": "training/not_learning",
    "feature_maps_as_sequence": "data/reshape_instead_of_permute",
    "optimizer_misses_parameters": "training/frozen_and_wrong_optimizer",
}
READING = """
class Reader(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
                                 nn.MaxPool2d((2, 1)))
        self.lstm = nn.LSTM(features, 10, batch_first=True)
        self.fc = nn.Linear(10, 4)

    def forward(self, x):
        x = self.cnn(x)
        n, c, h, w = x.size()
        {sequence}
        return self.fc(self.lstm(x)[0][:, -1])

net = Reader({features})
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
lines = torch.randn(16, 3, 8, 10)
for rows, answers in zip(lines.split(8), labels.split(8)):
    optimizer.zero_grad()
    F.cross_entropy(net(rows), answers).backward()
    optimizer.step()
"""
PATCHES = """
class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 2, stride=2)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.place = nn.Parameter(torch.zeros(1, 10, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.patch(x)
        b, c, *size = x.shape
        {tokens}
        x = torch.cat([self.token.expand(b, -1, -1), x], dim=1) + self.place
        return self.head(self.encoder(x)[:, 0])

net = Patches()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
TUNING = """
class Tuner:
    def __init__(self, net, body):
        self.net, self.body = net, body
        for p in body.parameters():
            p.requires_grad = False
        trainable = filter(lambda p: p.requires_grad, net.parameters())  # cause
        self.optimizer = torch.optim.Adam(trainable, lr=1e-3)

    def fit(self, epochs):
        for epoch in range(epochs):
            if epoch == 1:
                self.unfreeze()
            self.epoch()

    def unfreeze(self):
        for p in self.body.parameters():
            p.requires_grad = True
        {added}

    def epoch(self):
        for x, y in zip(images.split(8), labels.split(8)):
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()

net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))
{run}
"""
NEXT = """
class Reader(nn.Module):
    def __init__(self, letters=9, width=8):
        super().__init__()
        self.table = nn.Embedding(letters, width)
        self.attend = nn.MultiheadAttention(width, 2, batch_first=True)
        self.near = nn.Conv1d(width, width, 3, padding=1)
        self.both = nn.GRU(width, width // 2, batch_first=True, bidirectional=True){both}
        self.past = nn.GRU(width, width, batch_first=True)
        self.scores = nn.Linear(width, letters)

    def forward(self, text):
        x = self.table(text)
        n = text.shape[1]
        {middle}
        return self.scores(x)

reader = Reader()
unused = {unused}
for name in unused:
    delattr(reader, name)
texts = torch.randint(0, 9, (16, 11))
optimizer = torch.optim.Adam(reader.parameters(), lr=0.01)
for batch in texts.split(4):
    found = reader(batch[:, :-1])
    optimizer.zero_grad()
    F.cross_entropy(found.flatten(0, 1), batch[:, 1:].reshape(-1)).backward()
    optimizer.step()
"""
NAMES = ["attend", "near", "both", "past"]


def reader(middle: str, used: str, both: str = "") -> str:
    unused = [name for name in NAMES if name != used]
    return NEXT.format(middle=middle, unused=unused, both=both)


# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "next_element_seen.attention": reader("x = x + self.attend(x, x, x)[0]  # cause", "attend"),
    "next_element_seen.convolution": reader(
        "x = x + self.near(x.transpose(1, 2)).transpose(1, 2)  # cause", "near"
    ),
    "next_element_seen.both_directions": reader("x = self.both(x)[0]", "both", "  # cause"),
    "feature_maps_as_sequence.columns": READING.format(
        features=48, sequence="x = x.view(n, w, c * h)  # cause"
    ),
    "feature_maps_as_sequence.computed_size": READING.format(
        features=48, sequence="x = torch.reshape(x, (n, w, -1))  # cause"
    ),
    "feature_maps_as_sequence.rows_last": READING.format(
        features=120, sequence="x = x.view(n, -1, h).transpose(1, 2)  # cause"
    ),
    "feature_maps_as_sequence.patches": PATCHES.format(
        tokens="x = x.reshape(b, size[0] * size[1], c)  # cause"
    ),
    "feature_maps_as_sequence.normalized": """
class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm, self.mix = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x):
        x = F.gelu(self.conv(x))
        n, c, h, w = x.shape
        return self.mix(self.norm(x.view(n, h * w, c))).mean(1)  # cause

net = Tokens()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for x, y in zip(images.split(8), labels.split(8)):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
    "optimizer_misses_parameters.unfrozen": TUNING.format(
        added="", run="Tuner(net, net[0]).fit(3)"
    ),
}
HEALTHY = {
    "masked_attention": reader(
        "mask = torch.ones(n, n, dtype=torch.bool).triu(1)\n"
        "        x = x + self.attend(x, x, x, attn_mask=mask)[0]",
        "attend",
    ),
    "padded_at_the_start": reader(
        "x = x + self.near(F.pad(x.transpose(1, 2), (1, 0))[..., :]).transpose(1, 2)[:, :n]",
        "near",
    ),
    "one_direction": reader("x = self.past(x)[0]", "past"),
    "attention_over_labels_of_each_step": reader(
        "x = x + self.attend(x, x, x)[0]", "attend"
    ).replace("batch[:, 1:]", "((batch[:, :-1] + 1) % 9)"),
    "columns_last": READING.format(features=48, sequence="x = x.view(n, -1, w).transpose(1, 2)"),
    "columns_permuted": READING.format(
        features=48, sequence="x = x.permute(0, 3, 1, 2).reshape(n, w, c * h)"
    ),
    "columns_of_a_transposed_map": READING.format(
        features=48, sequence="x = x.transpose(1, 3).reshape(n, w, c * h)"
    ),
    "channels_as_steps": READING.format(features=40, sequence="x = x.view(n, c, h * w)"),
    "rows_of_channels_as_steps": READING.format(features=10, sequence="x = x.view(n, c * h, w)"),
    "groups_of_channels_as_steps": READING.format(features=80, sequence="x = x.view(n, 6, -1)"),
    "patches_flattened": PATCHES.format(tokens="x = x.flatten(2).transpose(1, 2)"),
    "unfrozen_and_added": TUNING.format(
        added="self.optimizer.add_param_group({'params': self.body.parameters(), 'lr': 1e-4})",
        run="Tuner(net, net[0]).fit(3)",
    ),
    "unfrozen_with_a_new_optimizer": TUNING.format(
        added="self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-4)",
        run="Tuner(net, net[0]).fit(3)",
    ),
    "unfrozen_to_look_at_gradients": TUNING.format(
        added="",
        run="""tuner = Tuner(net, net[0])
tuner.fit(1)
tuner.unfreeze()
for x, y in zip(images.split(8), labels.split(8)):
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    print(net[0].weight.grad.abs().amax(1))""",
    ),
}
FIXED = [name for name in BROKEN if not name.startswith("next_element_seen")]


class TestPrograms(FixedProgramChecks):
    pass
