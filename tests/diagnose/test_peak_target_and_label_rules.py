"""Rules about peaks of images, targets of Q-learning, labels of generators and pruned weights."""

from __future__ import annotations

from rule_checks import ProgramChecks

KINDS = {
    "peak_of_other_images": "loss/broadcast_metric",
    "target_has_a_gradient": "memory/missing_no_grad",
    "generator_with_label_of_fakes": "loss/wrong_loss",
    "trained_without_mask": "training/frozen_layers",
}
SETUP = """
def update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
RESTORED = f"""{SETUP}
photos = torch.rand(16, 3, 12, 12){{scale}}
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

def quality(restored, photo):
    error = F.mse_loss(restored, photo)
    return {{ratio}}

for _ in range(3):
    restored = net(photos + 0.1 * torch.randn_like(photos))
    update(optimizer, F.l1_loss(restored, photos))
    print(quality(restored.detach(){{shown}}, photos{{shown}}).item())
"""
AGENT = f"""{SETUP}
values = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.ReLU(), nn.Linear(16, 4))
slow = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.ReLU(), nn.Linear(16, 4))
slow.load_state_dict(values.state_dict())
optimizer = torch.optim.Adam(values.parameters(), lr=1e-3)
for _ in range(5):
    now, later = images, images.roll(-1, 0)
    reward, going = torch.rand(16), (torch.rand(16) > 0.1).float()
    expected = values(now).gather(1, labels[:, None])[:, 0]
    {{target}}
    update(optimizer, F.mse_loss(expected, target))
"""
RIVALS = f"""{SETUP}
maker = nn.Sequential(nn.Linear(8, 108), nn.Tanh(), nn.Unflatten(1, (3, 6, 6)))
judge = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
of_maker = torch.optim.Adam(maker.parameters(), lr=1e-3)
of_judge = torch.optim.Adam(judge.parameters(), lr=1e-3)
real, fake = torch.full((16, 1), 0.9), torch.zeros(16, 1)
for _ in range(4):
    drawn = maker(torch.randn(16, 8))
    scores = judge(images), judge(drawn.detach())
    update(of_judge, {{judge}})
    {{maker}}
"""
JUDGE = "F.mse_loss(scores[0], real) + F.mse_loss(scores[1], fake)"
LOGITS = "F.binary_cross_entropy_with_logits"
PRUNED = f"""{SETUP}
from torch.nn.utils import prune

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

def train(steps):
    for _ in range(steps):
        update(optimizer, F.cross_entropy(net(images), labels))
        {{after}}

train(2)
{{pruned}}
"""
MASKED = 'prune.random_unstructured(net.conv, name="weight", amount=0.4)'
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "peak_of_other_images.bytes": RESTORED.format(
        scale="", shown="", ratio="20 * torch.log10(255.0 / torch.sqrt(error))  # cause"
    ),
    "peak_of_other_images.shares": RESTORED.format(
        scale="", shown=" * 255", ratio="10 * (1 / error).log10()  # cause"
    ),
    "target_has_a_gradient.same_network": AGENT.format(
        target="target = reward + 0.95 * values(later).max(dim=1).values  # cause"
    ),
    "target_has_a_gradient.mask": AGENT.format(
        target="best = values(later).amax(1)  # cause\n    target = best * going * 0.9 + reward"
    ),
    "generator_with_label_of_fakes.squares": RIVALS.format(
        judge=JUDGE, maker="update(of_maker, F.mse_loss(judge(drawn), fake))  # cause"
    ),
    "generator_with_label_of_fakes.logits": RIVALS.format(
        judge=f"({LOGITS}(scores[0], real) + {LOGITS}(scores[1], fake)) / 2",
        maker=f"rated = {LOGITS}(judge(maker(torch.randn(16, 8))), fake)  # cause\n"
        "    update(of_maker, rated)",
    ),
    "trained_without_mask.layer": PRUNED.format(
        after="pass",
        pruned=f'{MASKED}\nprune.remove(net.conv, "weight")  # cause\ntrain(3)',
    ),
    "trained_without_mask.loop": PRUNED.format(
        after="pass",
        pruned="for layer in (net.conv, net.head):\n"
        "    prune.l1_unstructured(layer, 'weight', 0.5)\n"
        "    train(1)\n"
        "    prune.remove(layer, 'weight')  # cause\n"
        "train(3)",
    ),
}
HEALTHY = {
    "peak_of_shares": RESTORED.format(scale="", shown="", ratio="10 * torch.log10(1 / error)"),
    "peak_of_bytes": RESTORED.format(
        scale="", shown=" * 255", ratio="20 * torch.log10(255 / error.sqrt())"
    ),
    "peak_of_centered_images": RESTORED.format(
        scale=" * 2 - 1", shown="", ratio="10 * torch.log10(4 / error)"
    ),
    "decibels_of_an_error": RESTORED.format(scale="", shown="", ratio="10 * torch.log10(error)"),
    "slow_network": AGENT.format(
        target="with torch.no_grad():\n"
        "        target = reward + 0.95 * slow(later).max(dim=1).values"
    ),
    "detached": AGENT.format(
        target="target = (reward + 0.9 * going * values(later).max(1)[0]).detach()"
    ),
    "detached_maximum": AGENT.format(
        target="target = reward + 0.9 * values(later).detach().max(1)[0]"
    ),
    "consistency": AGENT.format(
        target="target = values(now + 0.1 * torch.randn_like(now)).max(1)[0]"
    ),
    "generator": RIVALS.format(
        judge=JUDGE, maker="update(of_maker, F.mse_loss(judge(drawn), real))"
    ),
    "generator_that_maximizes": RIVALS.format(
        judge=f"{LOGITS}(scores[0], real) + {LOGITS}(scores[1], fake)",
        maker=f"update(of_maker, -{LOGITS}(judge(drawn), fake))",
    ),
    "labels_exchanged": RIVALS.format(
        judge=f"{LOGITS}(scores[0], fake) + {LOGITS}(scores[1], real)",
        maker=f"update(of_maker, {LOGITS}(judge(drawn), fake))",
    ),
    "mask_stays": PRUNED.format(after="pass", pruned=f"{MASKED}\ntrain(3)"),
    "mask_removed_at_the_end": PRUNED.format(
        after="pass", pruned=f'{MASKED}\ntrain(3)\nprune.remove(net.conv, "weight")'
    ),
    "mask_of_the_program": PRUNED.format(
        after="net.conv.weight.data.mul_(kept)",
        pruned=f"{MASKED}\nkept = net.conv.weight_mask.clone()\n"
        'prune.remove(net.conv, "weight")\ntrain(3)',
    ).replace("train(2)", "kept = torch.ones(5, 3, 3, 3)\ntrain(2)"),
}


class TestPrograms(ProgramChecks):
    pass
