"""Programs that look like mistakes of views, copies, options, counts, places and shortcuts."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
net = {net}
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(4):
    optimizer.zero_grad()
    loss = F.cross_entropy(net({inputs}), labels)
    loss.backward()
    optimizer.step()
    {then}
{after}
"""
POOL = """
class Pool(nn.Module):
    def __init__(self, how="{given}"{mark}):
        super().__init__()
        self.how = how

    def forward(self, x):
        x = x.flatten(2)
        return x.amax(2) if self.how == "{option}" else x.amin(2)

layers = nn.Conv2d(3, 4, 3), Pool(), nn.Linear(4, 4)
"""
METER = """
class Meter:
    def __init__(self):
        self.sum, self.count = 0.0, 0
        self.steps, self.history = 0, []

    def reset(self):
        self.sum, self.count = 0.0, 0

    def update(self, value):
        self.sum += value
        self.count += 1
        self.steps += 1
        self.history.append(value)

    def report(self):
        return {"mean": self.sum / self.count, "step": self.steps, "least": min(self.history)}

meter = Meter()
"""
FRAMES = """
class Table:
    def __init__(self):
        self.rows = [1.0, None]

    def fillna(self, value):
        self.rows = [value if one is None else one for one in self.rows]

table = Table()
table.fillna(0.0)
print(table.rows)
"""
CHECK = """
import numpy as np

def is_array(values):
    try:
        np.asarray(values, dtype=np.float32)
    except ValueError:
        return False
    return len(values) > 0

print(is_array([[1.0, 2.0], [3.0]]), is_array([1.0]))
"""
TIMED = """
import time
import numpy as np

picture = np.ones((6, 6))
start = time.perf_counter()
for _ in range(3):
    np.flip(picture)
print(time.perf_counter() - start > 0, picture.shape)
"""
CODES = """
class Coded(nn.Module):
    def __init__(self):
        super().__init__()
        self.codes = nn.Parameter(torch.randn(16, 4))
        self.out = nn.Linear(112, 4)

    def forward(self, x):
        return self.out(torch.cat([x.flatten(1), self.codes[: len(x)]], 1))
"""
CLIP = """
class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)
        self.times = nn.Parameter(torch.randn(16, 4))

    def forward(self, frames):
        x = self.conv(frames).relu().mean((2, 3))
        return self.out(x + self.times[: x.shape[0]])
"""
TOKENS = """
class Video(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3, 3), nn.Linear(4, 4)
        self.times = nn.Parameter(torch.randn(16, 1, 4))

    def forward(self, frames):
        x = self.conv(frames).flatten(2).transpose(1, 2)
        return self.out((x + self.times[: x.shape[0]]).relu().mean(1))
"""
MASKED = """
class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(108, 4)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        scores = self.out(x.flatten(1))
        masked = scores
        scores.masked_fill_(scores > 100, 100.0)
        return masked - self.mean
"""
STARTS = """
starts, levels = [0], [0]
for i in range(1, 16):
    if i % 5 == 0:
        starts.append(i)
    levels.append(levels[-1] + i)
print(sum(starts) / len(starts), sum(levels) / len(levels))
"""
DISTANCE = """
points = torch.randn(8, 20, 3)
field = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(field.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    at = points.clone().requires_grad_()
    distance = field(at)
    gradient = torch.autograd.grad(distance.sum(), at, create_graph=True)[0]
    wanted = points.norm(dim=-1) - 1
    loss = ((gradient.norm(dim=-1) - 1) ** 2).mean() + F.l1_loss(distance.squeeze(-1), wanted)
    loss.backward()
    optimizer.step()
"""
REGRET = """
frozen = Net().eval().requires_grad_(False)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels) {sign} F.cross_entropy(frozen(images), labels)
    loss.backward()
    optimizer.step()
"""
SQUARE = """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.0001)
for _ in range(3):
    optimizer.zero_grad()
    error = net(images).squeeze(1) - labels
    loss = error.pow(2).mean() + 0.01 * (error * error.sum()).mean()
    loss.backward()
    optimizer.step()
"""


def train(before: str, net: str = "Net()", inputs: str = "images", **parts: str) -> str:
    return before + TRAIN.format(net=net, inputs=inputs, **({"then": "", "after": ""} | parts))


def pool(given: str, option: str, mark: str = "") -> str:
    text = POOL.format(given=given, option=option, mark=mark)
    return train(text, "nn.Sequential(*layers)")


BROKEN = {
    "option_misspelled": pool("maxmium", "maximum", MARK).replace(f"{MARK}):", f"):{MARK}"),
    "zero_in_mean": train(
        f"losses = [0]{MARK}\n",
        then="losses.append(loss.item())",
        after="print(sum(losses) / len(losses))",
    ),
}
KINDS = {"option_misspelled": "module", "zero_in_mean": "training/metric_not_reset"}
FIXED = list(BROKEN)
HEALTHY = {
    "minimum": pool("minimum", "maximum"),
    "plural": pool("maximums", "maximum"),
    "another_first_letter": pool("patch", "batch"),
    "another_part": pool("pool_a", "pool_b"),
    "another_ending": pool("trained", "trainer"),
    "counts_of_all_time": train(
        METER, then="meter.update(loss.item())", after="print(meter.report())\nmeter.reset()"
    ),
    "own_frame": train(FRAMES),
    "checked": train(CHECK),
    "timed": train(TIMED),
    "codes_of_samples": train(CODES, "Coded()"),
    "frames_of_a_clip": train(CLIP, "Clip()"),
    "tokens_of_frames": train(TOKENS, "Video()"),
    "in_place_on_purpose": train(MASKED, "Masked()"),
    "indices_and_sums": train(STARTS),
    "eikonal": DISTANCE,
    "regret": REGRET.format(sign="-"),
    "loss_of_a_frozen_network": REGRET.format(sign="+"),
    "square_of_a_sum": SQUARE,
}


class TestPrograms(FixedProgramChecks):
    pass
