"""Moving averages that keep graphs, and cumulative products of the elements before."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
TRAIN = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
{before}
for step in range(6):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    {after}
print(float(average))
"""
SCHEDULE = """
net = nn.Linear(7, 6)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
betas = torch.linspace(0.01, 0.3, 20)
alphas = 1 - betas
products = torch.cumprod(alphas, dim=0)
{former}
posterior = betas * (1 - former) / (1 - products)
rows = torch.randn(16, 6)
for step in range(3):
    t = torch.randint(0, 20, (16,))
    noise = torch.randn_like(rows)
    noisy = products[t].sqrt()[:, None] * rows + (1 - products[t]).sqrt()[:, None] * noise
    optimizer.zero_grad()
    F.mse_loss(net(torch.cat([noisy, t[:, None] / 20], 1)), noise).backward()
    optimizer.step()
print(posterior.mean())
"""


def train(after: str, before: str = "average = 0.0") -> str:
    return TRAIN.format(before=before, after=after)


def schedule(former: str) -> str:
    return SCHEDULE.format(former=former)


BROKEN = {
    "sum_keeps_graphs.average": train(f"average = 0.9 * average + 0.1 * loss{MARK}"),
    "sum_keeps_graphs.none_at_first": train(
        f"average = loss if average is None else average * 0.9 + loss * 0.1{MARK}",
        "average = None",
    ),
    "sum_keeps_graphs.lerp": train(
        f"average = torch.lerp(average, loss, 0.1){MARK}", "average = torch.tensor(2.0)"
    ),
    "sum_keeps_graphs.difference": train(
        f"average = average + 0.1 * (loss - average){MARK}", "average = torch.zeros(())"
    ),
    "sum_keeps_graphs.mean_so_far": train(
        f"average = (average * step + loss) / (step + 1){MARK}", "average = 0.0"
    ),
    "sum_keeps_graphs.best": train(
        f"average = torch.minimum(average, loss * 0.5 ** step){MARK}",
        "average = torch.tensor(9.0)",
    ),
    "neutral_element_comes_last": schedule(
        f"former = F.pad(products[:-1], (0, 1), value=1.0){MARK}"
    ),
    "neutral_element_comes_last.joined": schedule(
        f"former = torch.cat([products[:-1], torch.ones(1)]){MARK}"
    ),
    "neutral_element_comes_last.tensor": schedule(
        "shorter = products[: len(products) - 1]\n"
        f"former = torch.cat((shorter, torch.tensor([1.0]))){MARK}"
    ),
    "neutral_element_comes_last.numpy": schedule(
        "import numpy as np\n"
        "table = np.cumprod(alphas.numpy())\n"
        f"former = torch.from_numpy(np.append(table[:-1], 1.0)).float(){MARK}"
    ),
    "neutral_element_comes_last.rays": """
density = nn.Linear(3, 1)
points = torch.rand(8, 12, 3)
alpha = 1 - torch.exp(-F.softplus(density(points))[..., 0])
through = torch.cumprod(1 - alpha, -1)
seen = torch.cat([through[:, :-1], torch.ones_like(through[:, :1])], -1)  # cause
weights = alpha * seen
weights.sum(1).sub(0.5).pow(2).mean().backward()
""",
    "neutral_element_comes_last.offsets": """
bag = nn.EmbeddingBag(20, 4)
lengths = torch.tensor([3, 2, 4])
tokens = torch.randint(0, 20, (9,))
ends = lengths.cumsum(0)
starts = torch.cat([ends[:-1], torch.zeros(1, dtype=torch.long)])  # cause
bag(tokens, starts.sort().values).sum().backward()
""",
}
HEALTHY = {
    "row_without_graph": train(
        "average = torch.cat([average, loss.detach().reshape(1)])", "average = torch.zeros(0)"
    ).replace("float(average)", "average.mean()"),
    "best_without_graph": train(
        "average = torch.minimum(average, loss.detach())", "average = torch.tensor(9.0)"
    ),
    "average_of_numbers": train("average = 0.9 * average + 0.1 * loss.item()"),
    "average_without_graph": train("average = 0.9 * average + 0.1 * loss.detach()"),
    "average_in_no_grad": train(
        "with torch.no_grad():\n        average = 0.9 * average + 0.1 * loss"
    ),
    "cut_each_step": train(
        "average = (0.9 * average + 0.1 * loss).detach()", "average = torch.tensor(1.0)"
    ),
    "two_losses_of_a_step": train(
        "average = 0.9 * loss + 0.1 * F.cross_entropy(net(images), labels)"
    ),
    "average_in_the_loss": """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
average = torch.tensor(1.0)
for step in range(4):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    average = 0.9 * average.detach() + 0.1 * loss
    (loss / average.detach() + average).backward()
    optimizer.step()
""",
    "padded_at_the_begin": schedule("former = F.pad(products[:-1], (1, 0), value=1.0)"),
    "numpy": schedule(
        "import numpy as np\n"
        "table = np.cumprod(alphas.numpy())\n"
        "following = np.append(table[1:], 0.0)\n"
        "former = torch.from_numpy(np.append(1.0, table[:-1])).float()"
    ),
    "one_first": schedule("former = torch.cat([torch.ones(1), products[:-1]])"),
    "rolled": schedule("former = products.roll(1)\nformer[0] = 1"),
    "following": schedule(
        "former = F.pad(products[:-1], (1, 0), value=1.0)\n"
        "following = torch.cat([products[1:], torch.zeros(1)])"
    ),
    "in_the_order_of_sampling": schedule(
        "backwards = products.flip(0)\nformer = torch.cat([backwards[1:], torch.ones(1)]).flip(0)"
    ),
    "bounds_of_pieces": """
net, lengths = Net(), torch.tensor([3, 2, 4, 7])
ends = lengths.cumsum(0)
starts = torch.cat([torch.zeros(1, dtype=torch.long), ends[:-1]])
for start, end in zip(starts.tolist(), ends.tolist()):
    F.cross_entropy(net(images[start:end]), labels[start:end]).backward()
""",
    "end_of_a_sequence": """
tokens = torch.randint(2, 9, (4, 6))
embed = nn.Embedding(9, 5)
ended = torch.cat([tokens[:, :-1], torch.ones(4, 1, dtype=torch.long)], 1)
embed(ended).sum().backward()
""",
    "last_weight_is_rest": """
rates = nn.Parameter(torch.rand(6))
left = torch.cumprod(1 - torch.sigmoid(rates), 0)
joined = torch.cat([left[:-1], left[-1:] * 0.5])
joined.sum().backward()
""",
}
KINDS = {"sum_keeps_graphs": "memory/loss_accumulation", "neutral_element_comes_last": "other"}


class TestPrograms(ProgramChecks):
    pass
