"""Rules about terms of a loss that train nothing."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"term_under_no_grad": "training/graph_detached"}
TRAIN = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in zip(images.split(8), labels.split(8)):
    scores = net(x)
    loss = F.cross_entropy(scores, y) + {term}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
BROKEN = {
    "term_under_no_grad.features_of_both": """
class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Conv2d(3, 4, 3, padding=1)
        self.decode = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x):
        return self.decode(self.encode(x).relu())

judge = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 2)).eval()
net = Autoencoder()
optimizer = torch.optim.Adam(net.parameters())
for x in images.split(8):
    made = net(x)
    with torch.no_grad():
        wanted = judge(x)
        seen = judge(made)  # cause
    error = F.mse_loss(made, x)
    error += 0.5 * F.mse_loss(seen, wanted)
    optimizer.zero_grad()
    error.backward()
    optimizer.step()
""",
    "term_under_no_grad.helper": f"""
@torch.no_grad()
def smoothness(scores):
    return (scores[1:] - scores[:-1]).abs().mean()  # cause
{TRAIN.format(term="0.1 * smoothness(scores)")}""",
    "term_under_no_grad.inference_mode": f"""
def entropy(scores):
    with torch.inference_mode():
        chances = scores.softmax(1)  # cause
        return -(chances * chances.log()).sum(1).mean()
{TRAIN.format(term="-0.1 * entropy(scores)")}""",
}
FIXED = {"term_under_no_grad.features_of_both"}
HEALTHY = {
    "a_factor_without_gradient": f"""
def weight(scores):
    with torch.no_grad():
        return scores.std()
{TRAIN.format(term="weight(scores) * scores.pow(2).mean()")}""",
    "targets_of_a_teacher": f"""
teacher = Net().eval()

def distance(scores):
    with torch.no_grad():
        wanted = teacher(x).softmax(1)
    return F.kl_div(scores.log_softmax(1), wanted, reduction="batchmean")
{TRAIN.format(term="distance(scores)")}""",
    "a_detached_term": f"""
def level(scores):
    return scores.detach().mean() * 0
{TRAIN.format(term="level(scores)")}""",
    "a_constant_of_the_data": f"""
def floor():
    with torch.no_grad():
        return x.std()
{TRAIN.format(term="floor()")}""",
    "shown_under_no_grad": f"""
def show(scores):
    with torch.no_grad():
        print("entropy", -(scores.softmax(1) * scores.log_softmax(1)).sum(1).mean())
    return scores.abs().mean()
{TRAIN.format(term="show(scores)")}""",
}


class TestPrograms(FixedProgramChecks):
    """Each broken program has one mistake; a healthy one looks alike."""
