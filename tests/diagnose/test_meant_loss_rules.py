"""Losses that grow with right answers, by mistake or because that is what they are for."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TRAIN = """
{function}

net = {net}
optimizer = torch.optim.{optimizer}
rare = (labels == 1).float()
bright = (images.mean((1, 2, 3)) > 0).float()
{before}
for _ in range(4):
    optimizer.zero_grad()
    {loss}
    {update}
"""
LIKELIHOOD = """
def likelihood(logits, target):
    return {result}
"""
DICE = """
def dice(logits, target):
    p = torch.sigmoid(logits)
    return (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)
"""
PARITY = """
def parity(logits, group):
    p = torch.sigmoid(logits)
    return (p * group).sum() / group.sum() - (p * (1 - group)).sum() / (1 - group).sum()
"""
FORGETTING = """
def forgetting(scores, target):
    return -F.cross_entropy(scores, target)
"""
COMPLEMENT = """
def unlikely(scores, wrong):
    return -torch.log(1 - scores.softmax(1).gather(1, wrong[:, None]) + 1e-7).mean()
"""
PAIRS = """
class Alike(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, one, other):
        return F.cosine_similarity(self.body(one), self.body(other))

def contrast(similarity, differ):
    return ((1 - differ) * (1 - similarity) + differ * similarity.clamp(min=0.2)).mean()
"""
GENERATOR = """
def fooled(logits, fake):
    return (fake * F.logsigmoid(logits) + (1 - fake) * F.logsigmoid(-logits)).mean()

maker = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 108), nn.Unflatten(1, (3, 6, 6)))
makers = torch.optim.Adam(maker.parameters(), lr=0.001)
"""
JUDGED = """
    fake = maker(torch.randn(16, 4))
    both = torch.cat([net(images), net(fake.detach())])
    is_fake = torch.cat([torch.zeros(16, 1), torch.ones(16, 1)])
    F.binary_cross_entropy_with_logits(both, is_fake).backward()
    optimizer.step()
    makers.zero_grad()
    loss = fooled(net(fake), torch.ones(16, 1))
    loss.backward()
    makers.step()
"""
ASCENT = """
    loss.backward()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * parameter.grad
"""
NEGATIVE = """
    loss.backward()
    for parameter in net.parameters():
        parameter.grad.neg_()
    optimizer.step()
"""
ONE = "nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 1))"
SUM = "target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)"
STEP = "loss.backward(); optimizer.step()"


def train(function: str, loss: str, **parts: str) -> str:
    usual = {
        "net": ONE,
        "optimizer": "SGD(net.parameters(), lr=0.05)",
        "before": "",
        "update": STEP,
    }
    return TRAIN.format(function=function, loss=loss, **(usual | parts))


def likelihood(result: str = f"({SUM}).mean()", **parts: str) -> str:
    loss = "loss = likelihood(net(images).squeeze(1), rare)"
    return train(LIKELIHOOD.format(result=result), loss, **parts)


BROKEN = {
    "loss_grows_with_right_answers": likelihood().replace("rare)\n    ", f"rare){MARK}\n    "),
}
KINDS = {"loss_grows_with_right_answers": "loss/wrong_loss"}
FIXED = list(BROKEN)
HEALTHY = {
    "negative": likelihood(f"-({SUM}).mean()"),
    "maximize": likelihood(optimizer="SGD(net.parameters(), lr=0.05, maximize=True)"),
    "ascent_by_hand": likelihood(update=ASCENT)
    .replace("optimizer.zero_grad", "net.zero_grad")
    .replace("optimizer = torch.optim.SGD(net.parameters(), lr=0.05)", ""),
    "negative_gradients": likelihood(update=NEGATIVE),
    "backward_of_minus_one": likelihood(
        update="loss.backward(torch.tensor(-1.0)); optimizer.step()"
    ),
    "another_target_of_the_output": train(
        PARITY,
        "out = net(images).squeeze(1)\n"
        "    loss = F.binary_cross_entropy_with_logits(out, rare) + parity(out, bright)",
    ),
    "labels_that_are_wrong": train(
        COMPLEMENT,
        "out = net(images)\n"
        "    loss = F.cross_entropy(out, labels) + unlikely(out, (labels + 1) % 4)",
        net="Net()",
    ),
    "labels_of_different_pairs": train(
        PAIRS,
        "loss = contrast(net(images, images.flip(0)), (labels != labels.flip(0)).float())",
        net="Alike()",
    ),
    "scores_of_the_other_class": likelihood(
        "F.binary_cross_entropy_with_logits(logits, 1 - target)"
    ),
    "overlap_with_the_other_class": train(
        DICE.replace("(logits, target):\n", "(logits, target):\n    target = 1 - target\n"),
        "loss = 1 - dice(net(images).squeeze(1), bright)",
    ),
    "half_of_an_overlap": train(
        DICE.replace("2 * ", "").replace("1)", "1e-6)"),
        "loss = 1 - 2 * dice(net(images).squeeze(1), bright)",
    ),
    "unlearning": train(FORGETTING, "loss = forgetting(net(images), labels)", net="Net()"),
    "unlearning_after_training": train(
        DICE,
        "loss = dice(net(images).squeeze(1), bright)",
        before="for _ in range(2):\n    optimizer.zero_grad()\n"
        "    F.binary_cross_entropy_with_logits("
        "net(images).squeeze(1), rare).backward()\n    optimizer.step()\n",
    ),
    "generator": train(GENERATOR, "pass", update=JUDGED),
}


class TestPrograms(FixedProgramChecks):
    pass
