"""Rules about losses of pairs and triplets."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "pairs_the_wrong_way_round": "loss/triplet_mining",
    "triplet_in_other_order": "loss/triplet_mining",
}
SETUP = """
images = images + 2 * labels.view(-1, 1, 1, 1)
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

def step(loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
CONTRASTIVE = f"""{SETUP}
class Contrastive(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, y):
        d = F.pairwise_distance(a, b)
        near = {{near}} * d ** 2
        far = {{far}} * torch.clamp(self.margin - d, min=0.0).pow(2){{mark}}
        return (near + far).mean()

criterion = Contrastive()
for _ in range(3):
    i, j = torch.randint(0, 16, (8,)), torch.randint(0, 16, (8,))
    y = {{label}}
    step(criterion(net(images[i]), net(images[j]), y))
"""
COSINE = f"""{SETUP}
criterion = nn.CosineEmbeddingLoss(margin=0.3)
for _ in range(3):
    i, j = torch.randint(0, 16, (8,)), torch.randint(0, 16, (8,))
    target = {{target}}
    step(criterion(net(images[i]), net(images[j]), target)){{mark}}
"""
TRIPLETS = f"""{SETUP}
def triplets():
    a = torch.arange(16)
    same = labels[:, None] == labels
    positive = torch.multinomial(same.float(), 1).flatten()
    negative = torch.multinomial((~same).float(), 1).flatten()
    return images[a], images[positive], images[negative]

criterion = nn.TripletMarginLoss(margin=1.0)
for _ in range(3):
    anchor, positive, negative = triplets()
    a, p, n = net(anchor), net(positive), net(negative)
    {{call}}
"""
SAME, OTHERS = "(labels[i] == labels[j]).float()", "(labels[i] != labels[j]).float()"
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "pairs_the_wrong_way_round.contrastive": CONTRASTIVE.format(
        near="(1 - y)", far="y", label=SAME, mark="  # cause"
    ),
    "pairs_the_wrong_way_round.other_convention": CONTRASTIVE.format(
        near="y", far="(1 - y)", label=OTHERS, mark="  # cause"
    ),
    "pairs_the_wrong_way_round.cosine": COSINE.format(target=f"{OTHERS} * 2 - 1", mark="  # cause"),
    "pairs_the_wrong_way_round.cosine_where": COSINE.format(
        target="torch.where(labels[i] == labels[j], -1, 1)", mark="  # cause"
    ),
    "triplet_in_other_order.names": TRIPLETS.format(
        call="step(criterion(net(anchor), net(negative), net(positive)))  # cause"
    ),
}
HEALTHY = {
    "margin_of_others": CONTRASTIVE.format(near="y", far="(1 - y)", label=SAME, mark=""),
    "label_of_others": CONTRASTIVE.format(near="(1 - y)", far="y", label=OTHERS, mark=""),
    "cosine": COSINE.format(target=f"2 * {SAME} - 1", mark=""),
    "cosine_where": COSINE.format(target="torch.where(labels[i] == labels[j], 1, -1)", mark=""),
    "cosine_of_differences": COSINE.format(target=f"1 - 2 * {OTHERS}", mark=""),
    "triplet": TRIPLETS.format(call="step(criterion(a, p, n))"),
    "distances_of_triplet": TRIPLETS.format(
        call="step(F.relu(F.pairwise_distance(a, p) - F.pairwise_distance(a, n) + 1).mean())"
    ),
    "similarity_of_the_same": f"""{SETUP}
for _ in range(3):
    z = net(images)
    same = (labels[:, None] == labels[None]).float()
    similar = F.cosine_similarity(z[:, None], z[None], dim=-1)
    step((same * F.relu(0.9 - similar) + (1 - same) * F.relu(similar - 0.1)).mean())
""",
}
FIXED = ["triplet_in_other_order.names"]


class TestPrograms(FixedProgramChecks):
    pass
