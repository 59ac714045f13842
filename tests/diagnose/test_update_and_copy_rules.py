"""Updates that are discarded, copies that follow a part, and best networks that are not kept."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
MANUAL = """
net = Net()
{before}
for step in range(4):
    loss = F.cross_entropy(net(images), labels)
    net.zero_grad()
    loss.backward()
    {update}
    {after}
print(loss.item())
"""
LOOP = "with torch.no_grad():\n        for p in net.parameters():\n            {}"
STEP = "optimizer.step()"
SGD = "optimizer = torch.optim.SGD(net.parameters(), 0.05)"


def manual(update: str, before: str = SGD, after: str = STEP) -> str:
    return MANUAL.format(update=update, before=before, after=after)


MOMENTUM = """
import copy

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten())
        self.projector = nn.Linear(80, 8)

    def forward(self, x):
        return F.normalize(self.projector(self.backbone(x)), dim=1)

query = Encoder()
key = copy.deepcopy(query)
for p in key.parameters():
    p.requires_grad = False
optimizer = torch.optim.SGD(query.parameters(), 0.05)

{functions}
for step in range(4):
    one, two = (images + 0.1 * torch.randn_like(images) for _ in range(2))
    z = query(one)
    with torch.no_grad():
        {update}
        target = key(two)
    loss = F.cross_entropy(z @ target.t() / 0.2, torch.arange(16))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
"""


def momentum(update: str, functions: str = "") -> str:
    return MOMENTUM.format(update=update, functions=functions)


EMA = """
import copy

net = Net()
average = copy.deepcopy(net).eval()
optimizer = torch.optim.SGD(net.parameters(), 0.05)
for step in range(4):
    loss = F.cross_entropy(net(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        {update}
with torch.no_grad():
    print((average(images).argmax(1) == labels).float().mean().item())
"""
BUFFERS = (
    "for mine, theirs in zip(average.buffers(), net.buffers()):\n            mine.copy_(theirs)\n"
    "        "
)
BEST = """
import copy
import os
import tempfile

folder = tempfile.mkdtemp()
best_path, last_path = os.path.join(folder, "best.pt"), os.path.join(folder, "last.pt")

def evaluate(model):
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()

def train(model, optimizer):
    model.train()
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

net = Net()
optimizer = torch.optim.SGD(net.parameters(), 0.05)
best, best_net = -1.0, None
for epoch in range(4):
    {begin}
    train(net, optimizer)
    accuracy = evaluate(net)
    if accuracy > best:
        {keep}
    {each}
{end}
"""
USE = "print(evaluate(best_net))"
LOAD = "net.load_state_dict(torch.load(best_path))\nprint(evaluate(net))"


def best(keep: str, end: str = USE, begin: str = "pass", each: str = "pass") -> str:
    return BEST.format(keep=keep, end=end, begin=begin, each=each)


SCORE = "best = accuracy"
SAVE = "torch.save(net.state_dict(), {})"
PAIRS = "for a, b in zip(key{0}.parameters(), query{0}.parameters()):{1}\n            {2}"
FOLLOW = f"""
@torch.no_grad()
def follow(key, query, m=0.99):
    for a, b in zip(key.backbone.parameters(), query.backbone.parameters()):{MARK}
        a.data = m * a.data + (1 - m) * b.data
"""

BROKEN = {
    "update_is_discarded": manual(
        LOOP.format(f"p = p - 0.05 * p.grad{MARK}"), before="", after="pass"
    ),
    "update_is_discarded.clamped_weights": manual(
        f"for p in net.parameters():\n        p.data.clamp(-0.05, 0.05){MARK}"
    ),
    "update_is_discarded.clamped_gradients": manual(
        f"for p in net.parameters():\n        p.grad.data.clamp(-0.1, 0.1){MARK}"
    ),
    "update_is_discarded.named": manual(
        "for name, p in net.named_parameters():\n        if 'weight' in name:\n"
        f"            p = torch.clamp(p.detach(), -0.05, 0.05){MARK}"
    ),
    "update_is_discarded.average": momentum(PAIRS.format("", "", f"a = 0.9 * a + 0.1 * b{MARK}")),
    "part_of_copy_stays": momentum(
        PAIRS.format(".backbone", MARK, "a.mul_(0.99).add_(b, alpha=0.01)")
    ),
    "part_of_copy_stays.function": momentum("follow(key, query)", FOLLOW),
    "part_of_copy_stays.ema": EMA.format(
        update=f"{BUFFERS}for a, b in zip(average.conv.parameters(), net.conv.parameters()):{MARK}"
        "\n            a.lerp_(b, 0.1)"
    ),
    "best_network_is_the_last": best(f"best, best_net = accuracy, net{MARK}"),
    "best_network_is_the_last.two_lines": best(
        f"{SCORE}\n        best_net = net{MARK}", end="torch.save(best_net.state_dict(), best_path)"
    ),
    "best_file_is_overwritten": best(SCORE, each=SAVE.format("best_path") + MARK, end=LOAD),
    "best_file_is_overwritten.both": best(
        f"{SCORE}\n        " + SAVE.format("last_path"),
        each=SAVE.format("last_path") + MARK,
        end=LOAD.replace("best_path", "last_path"),
    ),
}
HEALTHY = {
    "in_place": manual(LOOP.format("p -= 0.05 * p.grad"), before="", after="pass"),
    "copied": manual(LOOP.format("p.copy_(p - 0.05 * p.grad)"), before="", after="pass"),
    "data_set": manual(
        "for p in net.parameters():\n        p.data = p.data - 0.05 * p.grad", "", "pass"
    ),
    "clamped_in_place": manual("for p in net.parameters():\n        p.data.clamp_(-0.5, 0.5)"),
    "norm_of_each": manual(
        "total = 0\n    for p in net.parameters():\n        p = p.detach() ** 2\n"
        "        total += p.sum().item()"
    ),
    "collected": manual(
        "flat = []\n    for p in net.parameters():\n        p = p.detach() * 1.0\n"
        "        flat.append(p)"
    ),
    "moved": manual("for p in net.parameters():\n        p = p.to('cpu')"),
    "last_one": manual(
        "for p in net.parameters():\n        p = p.detach() * 2\n    print(p.shape)"
    ),
    "printed": manual("for p in net.parameters():\n        print(p.grad.abs().mean().item())"),
    "all_follow": momentum(PAIRS.format("", "", "a.mul_(0.99).add_(b, alpha=0.01)")),
    "data_of_all": momentum(PAIRS.format("", "", "a.data.mul_(0.99).add_(b.data, alpha=0.01)")),
    "two_rates": momentum(
        PAIRS.format(".backbone", "", "a.data.mul_(0.99).add_(b.data, alpha=0.01)")
        + "\n        key.projector.load_state_dict(query.projector.state_dict())"
    ),
    "data_is_set": momentum(PAIRS.format("", "", "a.data = 0.99 * a.data + 0.01 * b.data")),
    "foreach": momentum(
        "torch._foreach_lerp_(list(key.parameters()), list(query.parameters()), 0.01)"
    ),
    "copied_once": momentum(
        "if step == 2:\n            key.projector.load_state_dict(query.projector.state_dict())"
    ),
    "frozen_copy": momentum("key.eval()"),
    "frozen_backbone": momentum(
        PAIRS.format(".projector", "", "a.lerp_(b, 0.01)"),
        "query.backbone.requires_grad_(False)",
    ),
    "ema": EMA.format(
        update=f"{BUFFERS}for a, b in zip(average.parameters(), net.parameters()):\n"
        "            a.lerp_(b, 0.1)"
    ),
    "deep_copy": best("best, best_net = accuracy, copy.deepcopy(net)"),
    "new_network": best(
        "best, best_net = accuracy, net",
        begin="net = Net()\n    optimizer = torch.optim.SGD(net.parameters(), 0.05)",
    ),
    "ends_at_once": best("best, best_net = accuracy, net\n        break"),
    "both_files": best(
        f"{SCORE}\n        " + SAVE.format("best_path"),
        each=SAVE.format("last_path"),
        end=LOAD,
    ),
    "kept_state_saved": best(
        f"{SCORE}\n        best_state = copy.deepcopy(net.state_dict())",
        each="torch.save(best_state, best_path)",
        end=LOAD,
    ),
    "every_checkpoint": best(SCORE, each=SAVE.format("last_path"), end="print(best)"),
    "score_alone": best(SCORE, end="print(evaluate(net))"),
}
KINDS = {
    "update_is_discarded": "training/not_learning",
    "part_of_copy_stays": "training/not_learning",
    "best_network_is_the_last": "state/best_state_not_copied",
    "best_file_is_overwritten": "state/best_state_not_copied",
}


class TestUpdateAndCopyRules(ProgramChecks):
    """The mistakes are found, and healthy programs that look alike are clean."""
