"""Rules about losses that weight samples by their own probability."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"focal_weight_of_a_mean": "loss/kl_div_reduction"}
TRAIN = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for x, y in zip(images.split(8), labels.split(8)):
    optimizer.zero_grad()
    loss = focal(net(x), y)
    loss.backward()
    optimizer.step()
"""
BROKEN = {
    "focal_weight_of_a_mean.function": f"""
def focal(scores, y, alpha=0.25, gamma=2):
    nll = F.cross_entropy(scores, y)  # cause
    modulation = (1 - (-nll).exp()).pow(gamma)
    return (alpha * modulation * nll).mean()
{TRAIN}""",
    "focal_weight_of_a_mean.module": f"""
class Focal(nn.Module):
    def __init__(self, gamma):
        super().__init__()
        self.base = nn.CrossEntropyLoss(label_smoothing=0.1)
        self.gamma = gamma

    def forward(self, scores, y):
        value = self.base(scores, y)  # cause
        chance = torch.exp(-1 * value)
        return torch.mean(value * (1 - chance) ** self.gamma)

focal = Focal(1.5)
{TRAIN}""",
    "focal_weight_of_a_mean.logarithms": f"""
def focal(scores, y, gamma=2, alpha=0.5):
    chances = -nn.CrossEntropyLoss()(scores, y)  # cause
    share = torch.exp(chances)
    chances = chances * alpha
    return -((1 - share) ** gamma) * chances
{TRAIN}""",
    "focal_weight_of_a_mean.several_labels": """
net = Net()
wanted = F.one_hot(labels, 4).float()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(2):
    bce = F.binary_cross_entropy_with_logits(net(images), wanted)  # cause
    loss = ((1 - torch.exp(-bce)) ** 2 * bce).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
""",
}
FIXED = {"focal_weight_of_a_mean.function", "focal_weight_of_a_mean.several_labels"}
HEALTHY = {
    "each_sample": f"""
def focal(scores, y, gamma=2):
    nll = F.cross_entropy(scores, y, reduction="none")
    return ((1 - torch.exp(-nll)) ** gamma * nll).mean()
{TRAIN}""",
    "likelihood_is_only_shown": f"""
def focal(scores, y):
    loss = F.cross_entropy(scores, y)
    print("mean likelihood", torch.exp(-loss).item())
    return loss
{TRAIN}""",
    "uncertainty_of_tasks": f"""
spread = nn.Parameter(torch.zeros(()))

def focal(scores, y):
    loss = F.cross_entropy(scores, y)
    return torch.exp(-spread) * loss + spread
{TRAIN}""",
    "confidence_of_the_batch_sets_a_number": f"""
def focal(scores, y):
    loss = F.cross_entropy(scores, y)
    weight = 1 - torch.exp(-loss).item()
    return weight * loss
{TRAIN}""",
}


class TestPrograms(FixedProgramChecks):
    """Each broken program has one mistake; a healthy one looks alike."""
