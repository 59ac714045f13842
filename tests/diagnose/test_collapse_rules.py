"""Losses that only make two outputs of a network alike."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
PREDICTED = """
class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8))
        self.predictor = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 8))

    def forward(self, one, other):
        z, w = self.encoder(one), self.encoder(other)
        return self.predictor(z), self.predictor(w), z, w

def distance(p, z):
    {stop}
    return 1 - F.cosine_similarity(p, z, dim=-1).mean(){mark}

net = Twins()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for _ in range(3):
    noise = 0.1 * torch.randn(2, *images.shape)
    p, q, z, w = net(images + noise[0], images + noise[1])
    loss = distance(p, w) / 2 + distance(q, z) / 2{more}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    {then}
"""
PRODUCT = """
encoder = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.BatchNorm1d(16), nn.ReLU(),
                        nn.Linear(16, 6))
{before}
optimizer = torch.optim.Adam({trained}, lr=0.01)
for _ in range(3):
    one, other = encoder({first}), {second}
    one, other = F.normalize(one, dim=1), F.normalize(other, dim=1)
    loss = {loss}{mark}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def predicted(**parts: str) -> str:
    usual = {"stop": "pass", "mark": "", "more": "", "then": "pass"}
    return PREDICTED.format(**(usual | parts))


def product(**parts: str) -> str:
    usual = {"before": "pass", "trained": "encoder.parameters()", "first": "images", "mark": ""}
    usual |= {"second": "encoder(images.flip(-1))", "loss": "-(one * other).sum(dim=1).mean()"}
    return PRODUCT.format(**(usual | parts))


BROKEN = {
    "views_collapse": predicted(mark=MARK),
    "views_collapse.by_a_product": product(mark=MARK),
}
KINDS = {"views_collapse": "loss"}
FIXED = ["views_collapse"]
HEALTHY = {
    "stop_gradient": predicted(stop="z = z.detach()"),
    "variance": predicted(more=" + F.relu(1 - z.std(0)).mean()"),
    "supervised_too": predicted(
        then="optimizer.zero_grad()\n"
        "    F.cross_entropy(net.encoder(images)[:, :4], labels).backward()\n"
        "    optimizer.step()"
    ),
    "negatives": product(
        loss="(one * other.roll(1, 0)).sum(1).mean() - (one * other).sum(1).mean()"
    ),
    "contrastive": product(loss="F.cross_entropy(one @ other.t() / 0.1, torch.arange(16))"),
    "centered": product(
        second="encoder(images.flip(-1)) - encoder(images.flip(-1)).mean(0, keepdim=True)"
    ),
    "gradient_stopped_by_a_hook": predicted(stop="z.register_hook(torch.zeros_like)"),
    "standardized": product(
        before="encoder.append(nn.BatchNorm1d(6, affine=False))",
        loss="-F.cosine_similarity(one, other).mean()",
    ),
    "labels": product(loss="-((one * other).sum(1) * (labels - 1.5)).mean()"),
    "two_networks": product(
        before="import copy; teacher = copy.deepcopy(encoder)", second="teacher(images.flip(-1))"
    ),
    "targets_without_a_gradient": product(before="vectors = torch.randn(16, 6)", second="vectors"),
    "orthogonal": product(
        before="nn.utils.parametrizations.orthogonal(encoder[4])",
    ),
    "adversarial_images": product(
        before="change = torch.zeros_like(images, requires_grad=True); encoder.eval()",
        first="images + change",
        trained="[change]",
        second="encoder(images.flip(-1))",
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
