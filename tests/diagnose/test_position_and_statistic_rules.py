"""Rules about tables of positions, noise of denoising steps, reused layers and bytes."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "one_position_for_all": "module",
    "predicted_noise_added": "loss/wrong_loss",
    "statistics_of_two_places": "training/bn_train_eval_gap",
    "bytes_normalized_as_shares": "data/normalize_range",
    "samples_mixed": "shape/batchnorm_axis",
    "optimizer_misses_parameters": "training/frozen_and_wrong_optimizer",
}
SEQUENCE = """
def waves(length, width):
    steps = torch.arange(length).float()[:, None]
    rates = torch.exp(-torch.arange(0, width, 2).float())
    return torch.stack([torch.sin(steps * rates), torch.cos(steps * rates)], -1).flatten(1)

class Encoder(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        {table}
        self.into = nn.Linear(12, width)
        self.mix = nn.TransformerEncoderLayer(width, 2, 16, 0.0, batch_first=True)
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        x = self.into(x)
        {add}
        return self.out(self.mix(x).mean(1))

net = Encoder()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in zip(images.reshape(16, 9, 12).split(4), labels.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
BUFFER = 'self.register_buffer("pe", waves(40, width)[None])'
LEARNED = "self.pe = nn.Parameter(torch.randn(40, width) * 0.02)"


def sequence(table: str, add: str) -> str:
    return SEQUENCE.format(table=table, add=add)


DENOISER = """
steps = 6
betas = torch.linspace(1e-3, 0.2, steps)
alphas = 1 - betas
products = torch.cumprod(alphas, 0)
before = F.pad(products[:-1], (1, 0), value=1.0)
posterior = betas * (1 - before) / (1 - products)

class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(9, 32), nn.SiLU(), nn.Linear(32, 8))

    def forward(self, x, t):
        return self.body(torch.cat([x, t[:, None] / steps], 1))

net = Denoiser()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for _ in range(4):
    clean, t = torch.randn(16, 8), torch.randint(0, steps, (16,))
    noise = torch.randn_like(clean)
    share = products[t][:, None]
    noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
    loss = F.mse_loss(net(noisy, t), noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

@torch.no_grad()
def sample(x):
    for i in reversed(range(steps)):
        t = torch.full((len(x),), i)
        {step}
    return x

print(sample(torch.randn(16, 8)).std())
"""
MEAN = """predicted = net(x, t)
        mean = (x - betas[i] / (1 - products[i]).sqrt() * predicted) / alphas[i].sqrt()
        """


def denoiser(step: str) -> str:
    return DENOISER.format(step=step)


BLOCKS = """
class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        {layers}
        self.head = nn.Linear(6 * 36, 4)

    def forward(self, x):
        x = torch.relu(self.first(x)) * 5
        {body}
        return self.head(x.flatten(1))

net = Deep()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(2):
    net.train()
    for x, y in zip(images.split(4), labels.split(4)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
{end}
"""
BLOCK = "self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())"
NORM = "self.norm = nn.BatchNorm2d(6)"
ONE_NORM = f"""{NORM}
        self.one = nn.Conv2d(6, 6, 3, padding=1)
        self.two = nn.Conv2d(6, 6, 3, padding=1)"""
EVALUATED = """
net.eval()
with torch.no_grad():
    print(F.cross_entropy(net(images), labels))
"""


def blocks(body: str, layers: str, end: str = EVALUATED) -> str:
    return BLOCKS.format(body=body, layers=layers, end=end)


PICTURES = """
pictures = torch.randint(0, 256, (16, 3, 6, 6)).to(torch.uint8)
{pictures}

def prepare(x):
    {prepare}

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.001)
for x, y in zip(pictures.split(4), labels.split(4)):
    optimizer.zero_grad()
    F.cross_entropy(net({train}), y).backward()
    optimizer.step()

net.eval()
with torch.no_grad():
    print(net({evaluate}).argmax(1))
"""
SHARES = "((x.float() / 255 - 0.5) / 0.25)"


def photos(
    prepare: str, train: str = SHARES, evaluate: str = "prepare(pictures)", pictures: str = ""
) -> str:
    return PICTURES.format(prepare=prepare, train=train, evaluate=evaluate, pictures=pictures)


READER = """
class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 8)
        {layers}
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.table(x)
        {body}
        return self.out(x[:, -1])

net = LSTM()
print(net(torch.arange(42).reshape(7, 6) % 9).shape)
"""
RESUMED = """
import copy
import io

class Model:
    def __init__(self):
        self.network = Net()
        self.settings = {{"params": list(self.network.parameters()), "lr": 0.01}}

    def fit(self):
        optimizer = torch.optim.SGD([self.settings])
        for x, y in zip(images.split(8), labels.split(8)):
            optimizer.zero_grad()
            F.cross_entropy(self.network(x), y).backward()
            optimizer.step()

    def state(self):
        return {{"weights": self.network.state_dict(), "settings": self.settings}}

def resume(state):
    model = Model()
    model.network.load_state_dict(state["weights"])
    {settings}
    return model

first = Model()
first.fit()
file = io.BytesIO()
torch.save(first.state(), file)
file.seek(0)
{load}
second.fit()
"""
FILE = "second = resume(torch.load(file, weights_only=False))"

BROKEN = {
    "one_position_for_all": sequence(BUFFER, "x = x + self.pe[:, x.shape[1], :]  # cause"),
    "one_position_for_all.first_dimension": sequence(
        'self.register_buffer("pe", waves(40, width)[:, None])',
        "x = x.transpose(0, 1)\n        x = x + self.pe[x.size(0)]  # cause\n"
        "        x = x.transpose(0, 1)",
    ),
    "one_position_for_all.named": sequence(
        'self.register_buffer("pe", waves(40, width))',
        "b, steps, width = x.shape\n        rows = self.pe[steps].detach()  # cause\n"
        "        x = rows.unsqueeze(0) + x",
    ),
    "one_position_for_all.learned": sequence(LEARNED, "x += self.pe[x.size(-2), :]  # cause"),
    "predicted_noise_added": denoiser(MEAN + "x = mean + betas[i].sqrt() * predicted  # cause"),
    "predicted_noise_added.posterior": denoiser(
        MEAN + "variance = posterior.gather(0, t)[:, None]\n"
        "        x = mean + predicted * torch.sqrt(variance)  # cause"
    ),
    "predicted_noise_added.computed_here": denoiser(
        MEAN + "sigma = (betas[i] * (1 - before[i]) / (1 - products[i])) ** 0.5\n"
        "        added = sigma * predicted  # cause\n"
        "        x = mean + added if i else mean"
    ),
    "statistics_of_two_places": blocks(
        "x = self.block(x)\n        x = self.block(x)  # cause", BLOCK
    ),
    "statistics_of_two_places.one_norm": blocks(
        "x = torch.relu(self.norm(self.one(x * 20)))\n"
        "        x = torch.relu(self.norm(self.two(x)))  # cause",
        ONE_NORM,
    ),
    "bytes_normalized_as_shares": photos(
        "mean = torch.tensor([0.48, 0.45, 0.4]).view(3, 1, 1)\n"
        "    std = torch.tensor([0.22, 0.22, 0.23]).view(3, 1, 1)\n"
        "    x = x.float()\n"
        "    return (x - mean) / std  # cause",
        train="prepare(x)",
    ),
    "bytes_normalized_as_shares.only_at_inference": photos(
        "return (x.float() - 0.5) / 0.25  # cause"
    ),
    "bytes_normalized_as_shares.numbers": photos(
        "x = x.to(torch.float32)\n    x.sub_(0.5)  # cause\n    return x.div_(0.5)",
    ),
    "samples_mixed.own_name": READER.format(
        layers="self.lstm = nn.LSTM(8, 8)  # cause", body="x, _ = self.lstm(x, None)"
    ),
    "samples_mixed.two_layers": READER.format(
        layers="self.first = nn.GRU(8, 8)  # cause\n        self.second = nn.GRU(8, 8)",
        body="x = self.second(self.first(x)[0])[0]",
    ),
    "optimizer_misses_parameters.loaded": RESUMED.format(
        settings='model.settings = state["settings"]', load=FILE
    )
    .replace("resume(state)", "resume(file)")
    .replace(
        "    model = Model()",
        "    state = torch.load(file, weights_only=False)\n    model = Model()",
    )
    .replace('state["settings"]\n', 'state["settings"]  # cause\n')
    .replace("resume(torch.load(file, weights_only=False))", "resume(file)"),
    "optimizer_misses_parameters.copied": RESUMED.format(
        settings="model.settings = copy.deepcopy(first.settings)  # cause", load=FILE
    ),
}
HEALTHY = {
    "rows_up_to_the_length": sequence(BUFFER, "x = x + self.pe[:, :x.shape[1], :]"),
    "one_step_at_a_time": sequence(
        BUFFER,
        "x = torch.stack([x[:, i] + self.pe[:, i] for i in range(x.shape[1])], 1)",
    ),
    "position_of_a_single_step": sequence(
        BUFFER,
        "n = x.shape[1]\n        last = x[:, -1:] + self.pe[:, n]\n"
        "        x = torch.cat([x[:, :-1] + self.pe[:, :n - 1], last], 1)",
    ),
    "row_of_a_task": sequence(LEARNED, "task = 3\n        x = x + self.pe[task]"),
    "scale_by_the_length": sequence(
        'self.register_buffer("scale", torch.arange(1, 41).float().rsqrt())',
        "x = x * self.scale[x.shape[1]]",
    ),
    "bias_of_a_length": sequence(
        'self.register_buffer("bias", torch.zeros(40, 1))\n        ' + BUFFER,
        "n = x.shape[1]\n        x = x + self.pe[:, :n] + self.bias[n]",
    ),
    "steps_as_an_index": sequence(LEARNED, "x = x + self.pe[torch.arange(x.shape[1])]"),
    "fresh_noise": denoiser(
        MEAN + "x = mean + betas[i].sqrt() * torch.randn_like(x) if i else mean"
    ),
    "ddim": denoiser(
        "predicted = net(x, t)\n"
        "        clean = (x - (1 - products[i]).sqrt() * predicted) / products[i].sqrt()\n"
        "        x = before[i].sqrt() * clean + (1 - before[i]).sqrt() * predicted"
    ),
    "ddim.with_noise": denoiser(
        "predicted = net(x, t)\n"
        "        sigma = 0.5 * posterior[i].sqrt()\n"
        "        clean = (x - (1 - products[i]).sqrt() * predicted) / products[i].sqrt()\n"
        "        toward = (1 - before[i] - sigma ** 2).clamp(min=0).sqrt() * predicted\n"
        "        x = before[i].sqrt() * clean + toward + sigma * torch.randn_like(x)"
    ),
    "euler_steps": denoiser(
        "ratio = ((1 - products) / products).sqrt()\n"
        "        predicted = net(x * products[i].sqrt(), t)\n"
        "        below = ratio[i - 1] if i else torch.zeros(())\n"
        "        x = x + (below - ratio[i]) * predicted"
    ),
    "blocks_of_their_own": blocks(
        "x = torch.relu(self.norm(self.one(x * 20)))\n"
        "        x = torch.relu(self.other(self.two(x)))",
        f"{ONE_NORM}\n        self.other = nn.BatchNorm2d(6)",
    ),
    "recurrent_loop": blocks("for _ in range(2):\n            x = self.block(x)", BLOCK),
    "unrolled_steps": blocks(
        "x = self.block(x)\n        x = self.block(x)\n        x = self.block(x)", BLOCK
    ),
    "two_views": blocks("x = self.block(x) + self.block(x.flip(3) * 9)", BLOCK),
    "without_statistics": blocks(
        "x = torch.relu(self.norm(self.one(x * 20)))\n"
        "        x = torch.relu(self.norm(self.two(x)))",
        ONE_NORM.replace("(6)", "(6, track_running_stats=False)"),
    ),
    "only_trained": blocks("x = self.block(x)\n        x = self.block(x)", BLOCK, end=""),
    "like_statistics": blocks(
        "x = x - x.mean((0, 2, 3), keepdim=True)\n"
        "        x = x / x.std((0, 2, 3), keepdim=True)\n"
        "        x = self.norm(x)\n        x = self.norm(x)",
        NORM,
    ),
    "divided_by_255": photos("return (x.float() / 255 - 0.5) / 0.25"),
    "means_of_bytes": photos("return (x.float() - 120.0) / 60.0", train="prepare(x)"),
    "means_of_the_image": photos(
        "x, dims = x.float(), (2, 3)\n"
        "    return (x - x.mean(dims, keepdim=True)) / x.std(dims, keepdim=True)",
        train="prepare(x)",
    ),
    "masks_as_bytes": photos(
        "return (x.float() - 0.5) / 0.5",
        train="prepare(x)",
        pictures="pictures = (pictures > 99).to(torch.uint8)",
    ),
    "scaled_by_a_product": photos("return (x.float() * (1 / 255) - 0.5) / 0.25"),
    "batch_first": READER.format(
        layers="self.lstm = nn.LSTM(8, 8, batch_first=True)", body="x, _ = self.lstm(x, None)"
    ),
    "settings_of_the_new_network": RESUMED.format(
        settings='model.settings = state["settings"]\n'
        '    model.settings["params"] = list(model.network.parameters())',
        load=FILE,
    ),
}


FIXED = [
    "one_position_for_all",
    "one_position_for_all.named",
    "predicted_noise_added",
    "samples_mixed.own_name",
]


class TestPrograms(FixedProgramChecks):
    pass
