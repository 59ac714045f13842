"""Terms of a loss that reach no parameter that a step updates with their gradient."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
RULE = "term_reaches_no_trained_parameter"
NETWORKS = """
from torch.utils.checkpoint import checkpoint
z, real = torch.randn(16, 4), torch.randn(16, 6)
G = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6))
D = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=2e-3)
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3)


def judged(scores, label):
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -0.1 * gradient
"""
GAN = (
    NETWORKS
    + """
for _ in range(4):
    {make}
    opt_d.zero_grad()
    d_loss = judged(D(real), 1.0) + judged(D(fake.detach()), 0.0)
    d_loss.backward()
    opt_d.step()
    {generator}
    opt_g.step()
"""
)
SUM = """opt_g.zero_grad()
    g_loss = F.l1_loss(fake, real) + 0.1 * judged({scores}, 1.0){mark}
    g_loss.backward()"""
FROZEN = """D.requires_grad_(False)
    adversarial = judged({scores}, 1.0){mark}
    loss = 10 * (fake - real).abs().mean() + adversarial
    opt_g.zero_grad()
    loss.backward()
    D.requires_grad_(True)"""
SEPARATE = """opt_g.zero_grad()
    rating = D({input}){mark}
    judged(rating, 1.0).backward(retain_graph=True)
    F.mse_loss(fake, real).backward()"""
REUSED = """opt_g.zero_grad()
    scores = D({input}){mark}
    (F.mse_loss(fake, real) - scores.mean()).backward()"""
WITHOUT = """opt_g.zero_grad()
    {block}
    adversarial = judged(D(again), 1.0)
    (F.mse_loss(G(z), real) + adversarial).backward()"""
ACTOR = """
state, action = torch.randn(32, 5), torch.randn(32, 2)
actor, critic = nn.Linear(5, 2), nn.Sequential(nn.Linear(7, 8), nn.ReLU(), nn.Linear(8, 1))
actor_optimizer = torch.optim.SGD(actor.parameters(), lr=0.01)
critic_optimizer = torch.optim.SGD(critic.parameters(), lr=0.01)


def update_critic():
    loss = F.mse_loss(critic(torch.cat([state, action], 1)), state[:, :1])
    critic_optimizer.zero_grad()
    loss.backward()
    critic_optimizer.step()


def update_actor():
    chosen = torch.tanh(actor(state))
    value = critic(torch.cat([state, {chosen}], 1)){mark}
    loss = (0.1 * chosen.pow(2).sum(1, keepdim=True) - value).mean()
    actor_optimizer.zero_grad()
    loss.backward()
    actor_optimizer.step()


for _ in range(4):
    update_critic()
    update_actor()
"""
PERCEPTUAL = """
features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval().requires_grad_(False)
net = nn.Conv2d(3, 3, 3, padding=1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    output = net(images)
    content = F.mse_loss(features({output}), features(images)){mark}
    optimizer.zero_grad()
    (F.l1_loss(output, images) + content).backward()
    optimizer.step()
"""
PHASES = (
    NETWORKS
    + """
def total():
    code = G(z)
    return F.mse_loss(code, real) + judged(D(code.detach()), 1.0)


for phase in range(4):
    if phase % 2:
        opt_d.zero_grad()
        total().backward()
        opt_d.step()
    else:
        opt_g.zero_grad()
        total().backward()
        opt_g.step()
"""
)
JOINT = (
    NETWORKS
    + """
for i in range(8):
    code = G(z)
    loss = F.mse_loss(code, real) + judged(D({code}), 1.0)
    loss.backward()
    opt_g.step()
    opt_g.zero_grad()
    {step}
"""
)
AGAIN = "again = G(z)"
BLOCK = """with torch.no_grad():
        again = G(z)"""
MAKE = "fake = G(z)"


def gan(generator: str, make: str = MAKE, **names: str) -> str:
    return GAN.format(make=make, generator=generator.format(**{"mark": "", **names}))


BROKEN = {
    f"{RULE}.sum": gan(SUM, scores="D(fake.detach())", mark=MARK),
    f"{RULE}.data": gan(SUM, scores="D(fake.data)", mark=MARK),
    f"{RULE}.frozen": gan(FROZEN, scores="D(fake.detach())", mark=MARK),
    f"{RULE}.separate": gan(SEPARATE, input="fake.detach()", mark=MARK),
    f"{RULE}.reused": gan(
        REUSED, make="fake = G(z)\n    fixed = fake.detach()", input="fixed", mark=MARK
    ).replace("D(fake.detach())", "D(fixed)"),
    f"{RULE}.no_grad": gan(WITHOUT, block=BLOCK.replace("():", f"():{MARK}")),
    f"{RULE}.actor": ACTOR.format(chosen="chosen.detach()", mark=MARK),
    f"{RULE}.perceptual": PERCEPTUAL.format(output="output.detach()", mark=MARK),
}
KINDS = {RULE: "training/graph_detached"}
FIXED = [name for name in BROKEN if not name.endswith("reused")]
HEALTHY = {
    "sum": gan(SUM, scores="D(fake)"),
    "frozen": gan(FROZEN, scores="D(fake)"),
    "separate": gan(SEPARATE, input="fake"),
    "reused": gan(REUSED, make="fake = G(z)\n    fixed = fake.detach()", input="fake"),
    "without": gan(WITHOUT, block=AGAIN),
    "actor": ACTOR.format(chosen="chosen", mark=""),
    "perceptual": PERCEPTUAL.format(output="output", mark=""),
    "reversed": gan(SUM, scores="D(Reverse.apply(fake))"),
    "checkpointed": gan(
        SUM, make="fake = checkpoint(G, z.requires_grad_(), use_reentrant=True)", scores="D(fake)"
    ),
    "matched_features": gan(SUM, scores="D(fake) - D(real).mean().detach()"),
    "shown": gan(SUM + "\n    print(judged(D(fake.detach()), 1.0).item())", scores="D(fake)"),
    "value_that_is_added": gan(SUM, scores="D(fake)").replace(
        "g_loss = ", "g_loss = judged(D(fake), 1.0).detach() + "
    ),
    "phases": PHASES,
    "warm_up": gan(
        SUM, make=f"{MAKE}\n    seen = fake if later else fake.detach()", scores="D(seen)"
    ).replace("for _ in range(4)", "for later in [False] * 8 + [True] * 2"),
    "joint": JOINT.format(code="code.detach()", step="opt_d.step()\n    opt_d.zero_grad()"),
    "every_seventh": JOINT.format(
        code="code.detach()", step="if i % 7 == 6: opt_d.step()\n    opt_d.zero_grad()"
    ),
    "by_hand": JOINT.format(
        code="code.detach()",
        step="with torch.no_grad():\n        for p in D.parameters():\n"
        "            p -= 0.01 * p.grad\n            p.grad = None",
    ).replace("opt_d = ", "unused = torch.randn(2)  # "),
}


class TestPrograms(FixedProgramChecks):
    pass
