"""Where the best value so far begins, and in which direction it is compared."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
LOOP = """
import copy
import math

def evaluate(net):
    net.eval()
    total = right = seen = 0
    with torch.no_grad():
        for x, y in zip(images.split(4), labels.split(4)):
            scores = net(x)
            total += F.cross_entropy(scores, y).item() * len(x)
            right += (scores.argmax(1) == y).sum().item()
            seen += len(x)
    return total / seen, {percent} * right / seen

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
best = {start}
kept = copy.deepcopy(net.state_dict())
for _ in range(3):
    net.train()
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    loss, accuracy = evaluate(net)
    if {test}:
        best = {value}
        kept = copy.deepcopy(net.state_dict())
net.load_state_dict(kept)
"""
STOPPING = """
class EarlyStopping:
    def __init__(self, patience=2, delta=0.0):
        self.patience, self.delta = patience, delta
        self.best_score = {start}
        self.counter = 0
        self.stop = False

    def __call__(self, val_loss, model):
        score = {score}
        if {test}:
            self.best_score = score
            self.counter = 0
            torch.save(model.state_dict(), "best.pt")
        else:
            self.counter += 1
            self.stop = self.counter >= self.patience

class Trainer:
    def __init__(self):
        self.net = Net()
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.net.parameters())

    def epoch(self):
        self.net.train()
        for x, y in zip(images.split(4), labels.split(4)):
            self.optimizer.zero_grad()
            self.criterion(self.net(x), y).backward()
            self.optimizer.step()

    @torch.no_grad()
    def validate(self):
        self.net.eval()
        losses = []
        for x, y in zip(images.split(4), labels.split(4)):
            losses.append(self.criterion(self.net(x), y).item())
        return sum(losses) / len(losses)

trainer, stopping = Trainer(), EarlyStopping()
for _ in range(4):
    trainer.epoch()
    stopping(trainer.validate(), trainer.net)
    if stopping.stop:
        break
"""
GAN = """
import copy
generator, critic = nn.Linear(4, 8), nn.Linear(8, 1)
first = torch.optim.Adam(generator.parameters())
second = torch.optim.Adam(critic.parameters())
truth, fooled, kept = torch.ones(16, 1), 0.0, None
for _ in range(3):
    fake, real = generator(torch.randn(16, 4)), torch.randn(16, 8)
    second.zero_grad()
    loss = F.binary_cross_entropy_with_logits(critic(fake.detach()), 1 - truth)
    loss = loss + F.binary_cross_entropy_with_logits(critic(real), truth)
    loss.backward()
    second.step()
    first.zero_grad()
    F.binary_cross_entropy_with_logits(critic(fake), truth).backward()
    first.step()
    score = loss.item()
    if score > fooled:
        fooled = score
        kept = copy.deepcopy(generator.state_dict())
"""
ATTACK = """
import copy
net, attacker = Net().eval(), nn.Conv2d(3, 3, 1)
net.requires_grad_(False)
optimizer = torch.optim.Adam(attacker.parameters())
best, kept = 0.0, None
for _ in range(3):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images + 0.1 * torch.tanh(attacker(images))), labels)
    (-loss).backward()
    optimizer.step()
    value = loss.item()
    if value > best:
        best = value
        kept = copy.deepcopy(attacker.state_dict())
"""


ACCURACY_OF_ATTACK = (
    "value = (net(images + attacker(images)).argmax(1) == labels).float().mean().item()"
)


def loop(**parts: str) -> str:
    usual = {"start": "math.inf", "test": "loss < best", "value": "loss", "percent": "1"}
    return LOOP.format(**(usual | parts))


def stopping(**parts: str) -> str:
    usual = {
        "start": "-math.inf",
        "score": "-val_loss",
        "test": "score > self.best_score + self.delta",
    }
    return "\nimport math\n" + STOPPING.format(**(usual | parts))


ACCURACY = {"value": "accuracy", "test": "accuracy > best"}
BROKEN = {
    "best_is_never_exceeded": loop(start="0.0" + MARK),
    "best_is_never_exceeded.infinity": loop(**ACCURACY, start='float("inf")' + MARK),
    "best_is_never_exceeded.accuracy": loop(**ACCURACY, start="1.0" + MARK),
    "best_is_never_exceeded.percent": loop(**ACCURACY, start="100" + MARK, percent="100.0"),
    "best_is_never_exceeded.early_stopping": stopping(start="math.inf" + MARK),
    "best_is_never_exceeded.flag": loop(
        start="0" + MARK, test="is_best", value="min(loss, best)"
    ).replace("    if is_best:", "    is_best = loss < best\n    if is_best:"),
    "best_is_never_exceeded.mixed": loop(
        start="-math.inf" + MARK, test="best > loss / 2 + 1", value="loss / 2 + 1"
    ),
    "worst_network_is_kept": loop(start="-math.inf", test="loss > best").replace(
        "if loss > best:", "if loss > best:" + MARK
    ),
    "worst_network_is_kept.accuracy": loop(
        start="1.1", test="accuracy < best", value="accuracy"
    ).replace("if accuracy < best:", "if accuracy < best:" + MARK),
    "worst_network_is_kept.never": loop(
        start="0", test="accuracy < best", value="accuracy"
    ).replace("if accuracy < best:", "if accuracy < best:" + MARK),
    "worst_network_is_kept.early_stopping": stopping(
        start="0.0", score="val_loss", test="score > self.best_score"
    ).replace("if score > self.best_score:", "if score > self.best_score:" + MARK),
}
KINDS = dict.fromkeys(
    ("best_is_never_exceeded", "worst_network_is_kept"), "state/best_state_not_copied"
)
FIXED = list(BROKEN)
HEALTHY = {
    "from_infinity": loop(),
    "from_a_large_number": loop(start="1e9"),
    "accuracy_from_zero": loop(**ACCURACY, start="0.0"),
    "percent_above_a_limit": loop(**ACCURACY, start="1.0", percent="100.0"),
    "below_a_limit": loop(start="0.5"),
    "negative_loss": loop(start="-1e9", test="-loss > best", value="-loss"),
    "stopped_early": stopping(),
    "stopped_early_by_loss": stopping(
        start="1e6", score="val_loss", test="score < self.best_score - self.delta"
    ),
    "error_rate": loop(start="1.1", test="1 - accuracy < best", value="1 - accuracy"),
    "worst_is_wanted": loop(start="0.0", test="loss > best").replace("best", "worst"),
    "one_of_two_networks": GAN,
    "attack": ATTACK,
    "flag": loop(start="0", test="is_best", value="max(accuracy, best)").replace(
        "    if is_best:", "    is_best = accuracy > best\n    if is_best:"
    ),
    "attack_by_accuracy": ATTACK.replace("best, kept = 0.0", "best, kept = 1.1")
    .replace("value = loss.item()", ACCURACY_OF_ATTACK)
    .replace("value > best", "value < best"),
    "bad_epochs": loop(start="math.inf", test="loss >= best", value="min(best, loss)"),
}


class TestPrograms(FixedProgramChecks):
    pass
