"""Losses that a program defines: their direction, their terms, and what they are computed from."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
MASKS = """
torch.manual_seed(1)
masks = (torch.rand(16, 1, 6, 6) > 0.6).float()
pixels = masks.repeat(1, 3, 1, 1) + 0.3 * torch.randn(16, 3, 6, 6)
net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 1){last})
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
"""
TRAIN = """
for _ in range(4):
    optimizer.zero_grad()
    {loss}
    loss.backward()
    optimizer.step()
"""
DICE = """
def dice{name}(logits, target, smooth=1.0):
    p = {probabilities}.flatten(1)
    t = target.flatten(1)
    both = (p * t).sum(1)
    score = (2 * both + smooth) / (p.sum(1) + t.sum(1) + smooth)
    return {result}
"""
IOU = """
class Overlap(nn.Module):
    def forward(self, logits, target):
        p = torch.sigmoid(logits)
        both = (p * target).sum((1, 2, 3))
        union = {union}
        return {result}

criterion = Overlap()
"""
CONTRASTIVE = """
class Contrastive(nn.Module):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, distance, same):
        near = same * distance.pow(2)
        return (near + (1 - same) * (self.margin - distance).clamp(min=0).pow(2)).mean()

criterion = Contrastive()
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
same = (labels == labels.flip(0)).float()
for _ in range(4):
    optimizer.zero_grad()
    distance = F.pairwise_distance(net(images), net(images.flip(0)))
    {loss}
    loss.backward()
    optimizer.step()
"""
REINFORCE = """
rewards = torch.tensor([-1.0, 1.0, -2.0, -1.0]).repeat(4)
actions = torch.randint(0, 4, (16,))

def policy_loss(scores, chosen):
    picked = torch.log_softmax(scores, 1).gather(1, chosen[:, None]).squeeze(1)
    return -(picked * rewards).mean()

net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
for _ in range(4):
    optimizer.zero_grad()
    policy_loss(net(images), actions).backward()
    optimizer.step()
"""
CRITIC = """
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)

def penalty(real, fake):
    mix = torch.rand(len(real), 1, 1, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    gradients = torch.autograd.grad(net(between).sum(), between, create_graph=True)[0]
    {norm}
    return ((norms - 1) ** 2).mean()

for _ in range(4):
    optimizer.zero_grad()
    fake = torch.randn(16, 3, 6, 6)
    loss = net(fake).mean() - net(images).mean() + 10 * penalty(images, fake)
    loss.backward()
    optimizer.step()
"""
TEACHER = """
teacher, net = Net().eval(), Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    with torch.no_grad():
        wanted = F.softmax(teacher(images) / 2, 1)
        known = teacher(images)
    scores = net(images)
    {soft}
    distilled = F.kl_div(soft, wanted, reduction="batchmean")
    (F.cross_entropy(scores, labels) + {factor} * distilled).backward()
    optimizer.step()
"""
ADVERSARIAL = """
maker = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid())
judge = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))
makers = torch.optim.Adam(maker.parameters(), lr=0.001)
judges = torch.optim.Adam(judge.parameters(), lr=0.001)
criterion = nn.BCEWithLogitsLoss()
real, fake = torch.ones(16, 1), torch.zeros(16, 1)
wanted = torch.rand(16, 3, 6, 6)
for _ in range(4):
    made = maker(images)
    makers.zero_grad()
    {judged}
    (F.l1_loss(made, wanted) + 0.1 * criterion(judged, real)).backward()
    makers.step()
    judges.zero_grad()
    (criterion(judge(wanted), real) + criterion(judge(made.detach()), fake)).backward()
    judges.step()
"""
ENCODER = """
class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8))
        self.up = nn.Linear(4, 108)

    def forward(self, x):
        mean, log_var = self.down(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        return self.up(z), mean, log_var

net = Coder()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
for _ in range(4):
    optimizer.zero_grad()
    out, mean, log_var = net(images)
    error = ((out - images.flatten(1)) ** 2).sum(1)
    {divergence}
    loss = (error + divergence).mean()
    loss.backward()
    optimizer.step()
"""


def segmented(function: str, loss: str, last: str = "") -> str:
    return function + MASKS.format(last=last) + TRAIN.format(loss=f"loss = {loss}")


def dice(**parts: str) -> str:
    usual = {
        "name": "_loss",
        "probabilities": "torch.sigmoid(logits)",
        "result": "1 - score.mean()",
    }
    return DICE.format(**(usual | parts))


def iou(**parts: str) -> str:
    usual = {"union": "(p + target - p * target).sum((1, 2, 3))"}
    usual |= {"result": "1 - (both / union.clamp(min=1e-6)).mean()"}
    return IOU.format(**(usual | parts))


BOTH = "F.binary_cross_entropy_with_logits(out, masks) + dice_loss(out, masks)"
SIMILAR = """
def closeness(out, target):
    return F.cosine_similarity(out.flatten(1), target.flatten(1)).mean()
"""
BROKEN = {
    "loss_grows_with_right_answers": segmented(
        dice(result=f"score.mean(){MARK}"), "dice_loss(net(pixels), masks)"
    ),
    "loss_grows_with_right_answers.beside_another": segmented(
        dice(result=f"score.mean(){MARK}"),
        BOTH.replace("out", "net(pixels)", 1).replace("net(pixels)", "(out := net(pixels))"),
    ),
    "loss_grows_with_right_answers.of_a_module": segmented(
        iou(result=f"(both / union.clamp(min=1e-6)).mean(){MARK}").replace("Overlap", "IoULoss"),
        "criterion(net(pixels), masks)",
    ),
    "loss_grows_with_right_answers.similarity": segmented(
        SIMILAR, f"closeness(net(pixels), masks){MARK}"
    ),
    "loss_grows_with_right_answers.with_a_pole": segmented(
        "\ndef ratio(out, target):\n    return 10 * torch.log10(1 / F.mse_loss(out, target))\n",
        f"ratio(net(pixels), masks){MARK}",
    ),
    "overlap_of_equal_masks": segmented(
        iou(union=f"p.sum((1, 2, 3)) + target.sum((1, 2, 3)){MARK}"),
        "criterion(net(pixels), masks)",
    ),
    "overlap_of_equal_masks.dice": segmented(
        dice()
        .replace("(2 * both + smooth)", "(both + smooth)")
        .replace("+ smooth)\n", f"+ smooth){MARK}\n")
        .replace("smooth=1.0", "smooth=1e-6"),
        "dice_loss(net(pixels), masks)",
    ),
    "loss_of_constants": ADVERSARIAL.format(judged=f"judged = judge(made).detach(){MARK}"),
    "loss_of_constants.teacher": TEACHER.format(
        soft=f"soft = F.log_softmax(known / 2, 1){MARK}", factor=4
    ),
    "probabilities_activated": segmented(
        dice().replace("flatten(1)\n    t", f"flatten(1){MARK}\n    t"),
        "dice_loss(net(pixels), masks)",
        ", nn.Sigmoid()",
    )
    .replace("nn.Conv2d(6, 1, 1), nn.Sigmoid()", "nn.Conv2d(6, 2, 1), nn.Softmax(1)")
    .replace("net(pixels), masks", "net(pixels)[:, 1:], masks"),
    "penalty_of_parts": CRITIC.format(norm=f"norms = gradients.norm(2, dim=1){MARK}"),
    "penalty_of_parts.whole_batch": CRITIC.format(norm=f"norms = gradients.norm(){MARK}"),
    "penalty_of_parts.root": CRITIC.format(
        norm=f"norms = torch.sqrt(torch.sum(gradients ** 2, dim=1) + 1e-12){MARK}"
    ),
    "penalty_of_parts.generated": CRITIC.format(norm=f"norms = gradients.norm(2, dim=1){MARK}")
    .replace("fake = torch.randn(16, 3, 6, 6)", "fake = maker(torch.randn(16, 8)).detach()")
    .replace(
        "\nnet", "\nmaker = nn.Sequential(nn.Linear(8, 108), nn.Unflatten(1, (3, 6, 6)))\nnet"
    ),
    "batch_sum_beside_samples": ENCODER.format(
        divergence="divergence = -0.5 * torch.sum(1 + log_var - mean ** 2 - log_var.exp())" + MARK
    ),
}
KINDS = {
    "loss_grows_with_right_answers": "loss/wrong_loss",
    "overlap_of_equal_masks": "loss/wrong_loss",
    "loss_of_constants": "training/graph_detached",
    "probabilities_activated": "training/softmax_before_ce",
    "penalty_of_parts": "loss/wrong_loss",
    "batch_sum_beside_samples": "loss/kl_div_reduction",
}
FIXED = [
    "loss_grows_with_right_answers",
    "loss_grows_with_right_answers.similarity",
    "overlap_of_equal_masks",
    "probabilities_activated",
    "penalty_of_parts",
]
HEALTHY = {
    "dice": segmented(dice(), "dice_loss(net(pixels), masks)"),
    "negative_dice": segmented(dice(result="-score.mean()"), "dice_loss(net(pixels), masks)"),
    "one_minus_score": segmented(
        dice(name="_score", result="score.mean()"), "1 - dice_score(net(pixels), masks)"
    ),
    "iou": segmented(iou(), "criterion(net(pixels), masks)"),
    "of_distances": CONTRASTIVE.format(loss="loss = criterion(distance, same)"),
    "of_rewards": REINFORCE,
    "adversarial": ADVERSARIAL.format(judged="judged = judge(made)"),
    "distilled": TEACHER.format(soft="soft = F.log_softmax(scores / 2, 1)", factor=4),
    "switched_off": TEACHER.format(soft="soft = F.log_softmax(known / 2, 1)", factor=0),
    "gated": MASKS.format(last="")
    + TRAIN.format(
        loss="gate = torch.sigmoid(torch.softmax(net(pixels), 2))\n"
        "    loss = F.mse_loss(F.conv2d(gate, torch.ones(1, 1, 1, 1)), masks)"
    ),
    "norm_of_samples": CRITIC.format(norm="norms = gradients.flatten(1).norm(2, dim=1)"),
    "norm_over_all_but_samples": CRITIC.format(norm="norms = gradients.norm(2, dim=(1, 2, 3))"),
    "divergence_of_samples": ENCODER.format(
        divergence="divergence = -0.5 * torch.sum(1 + log_var - mean ** 2 - log_var.exp(), 1)"
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
