"""Rules about logits that are rounded to predictions."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"logits_are_rounded": "loss/broadcast_metric"}
PROGRAM = """
wanted = (torch.rand(16, 4) < 0.4).float()
net = Net()
criterion = {criterion}
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

def train(x, y):
    net.train()
    optimizer.zero_grad()
    {loss}
    loss.backward()
    optimizer.step()

def evaluate(x, y):
    net.eval()
    with torch.no_grad():
        {score}
    return score

for epoch in range(3):
    for x, y in zip(images.split(8), wanted.split(8)):
        train(x, y)
    print(evaluate(images, wanted))
"""
ONE = """
class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
        self.out = nn.Linear(64, {outputs})

    def forward(self, x):
        return self.out(self.body(x)){last}

def binary_accuracy(scores, truth):
    {decided}
    return (decided == truth).float().mean().item()

there, count = (labels > 1).float(), labels.float()
detector = Detector()
optimizer = torch.optim.SGD(detector.parameters(), lr=0.05)
for step in range(4):
    optimizer.zero_grad()
    scores = detector(images)
    {loss}
    loss.backward()
    optimizer.step()
    print(loss.item(), {shown})
"""


def multilabel(score: str, **parts: str) -> str:
    usual = {"criterion": "nn.BCEWithLogitsLoss()", "loss": "loss = criterion(net(x), y)"}
    return PROGRAM.format(score=score, **(usual | parts))


def one(decided: str, **parts: str) -> str:
    usual = {
        "outputs": "1",
        "last": ".squeeze(1)",
        "loss": "loss = F.binary_cross_entropy_with_logits(scores, there)",
        "shown": "binary_accuracy(scores, there)",
    }
    return ONE.format(decided=decided, **(usual | parts))


HITS = "score = (guessed == y).float().mean().item()"
BROKEN = {
    "logits_are_rounded.clamped": multilabel(
        "guessed = torch.clamp(torch.round(net(x)), 0, 1)  # cause\n"
        "        score = ((guessed == 1) & (y == 1)).sum().item()",
        criterion="nn.MultiLabelSoftMarginLoss()",
    ),
    "logits_are_rounded.function": one(
        "decided = scores", shown="binary_accuracy(torch.round(scores), there)"
    ).replace("there))", "there))  # cause"),
    "logits_are_rounded.method": multilabel(
        f"out = net(x)\n        guessed = out.detach().cpu().round().bool().float()  # cause\n"
        f"        {HITS}"
    ),
    "logits_are_rounded.scored_by_numpy": multilabel(
        "guessed = net(x).round().numpy()  # cause\n        truth = y.numpy()\n"
        "        score = 2 * (guessed * truth).sum() / (guessed + truth).sum()"
    ),
    "logits_are_rounded.collected": multilabel(
        "parts = []\n        for part in x.split(4):\n"
        "            parts.append(torch.round(net(part)))  # cause\n"
        "        score = torch.eq(torch.cat(parts), y).all(dim=1).float().mean().item()"
    ),
}
HEALTHY = {
    "probabilities": multilabel(f"guessed = torch.round(torch.sigmoid(net(x)))\n        {HITS}"),
    "probabilities.method": multilabel(f"guessed = net(x).sigmoid().round()\n        {HITS}"),
    "probabilities.in_place": multilabel(
        f"out = net(x)\n        out.sigmoid_()\n        guessed = out.round()\n        {HITS}"
    ),
    "probabilities.of_the_network": one(
        "decided = scores.round()",
        last=".squeeze(1).sigmoid()",
        loss="loss = F.binary_cross_entropy(scores, there)",
    ),
    "sign_of_logits": multilabel(f"guessed = (net(x) > 0).float()\n        {HITS}"),
    "decimals_that_are_shown": multilabel(
        f"out = net(x)\n        print(torch.round(out[:2], decimals=2))\n"
        f"        guessed = (out > 0).float()\n        {HITS}"
    ),
    "whole_numbers_that_are_shown": multilabel(
        f"out = net(x)\n        print(torch.round(out[0]).tolist())\n"
        f"        guessed = (out > 0).float()\n        {HITS}"
    ),
    "counts": one(
        "decided = torch.round(scores)",
        loss="loss = F.mse_loss(scores, count)",
        shown="binary_accuracy(scores, count)",
    ),
    "count_beside_logits": one(
        "decided = torch.round(scores)",
        outputs="2",
        last="",
        loss="loss = F.binary_cross_entropy_with_logits(scores[:, 0], there)\n"
        "    loss = loss + F.mse_loss(scores[:, 1], count)",
        shown="binary_accuracy(scores[:, 1], count)",
    ),
    "logits_on_a_grid": multilabel(
        "out = net(x)\n        coarse = torch.round(out * 8) / 8\n"
        "        score = ((coarse > 0) == (out > 0)).float().mean().item()"
    ),
    "histogram_of_logits": multilabel(
        f"out = net(x)\n        print(torch.round(out).unique())\n"
        f"        guessed = out.sigmoid().round()\n        {HITS}"
    ),
}
FIXED = ("logits_are_rounded.function", "logits_are_rounded.method")


class TestPrograms(FixedProgramChecks):
    pass
