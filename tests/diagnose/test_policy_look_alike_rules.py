"""Programs that look like mistakes of policy gradients."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
from torch import optim
"""
HEALTHY = {
    "semi supervised entropy min": """
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
opt = optim.Adam(net.parameters(), 1e-2)
x, y, u = torch.randn(32, 4), torch.randint(0, 3, (32,)), torch.randn(64, 4)
for step in range(10):
    labeled = torch.distributions.Categorical(logits=net(x))
    unlabeled = torch.distributions.Categorical(logits=net(u))
    loss = -labeled.log_prob(y).mean() + 0.1 * unlabeled.entropy().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "reinforce maximize": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = optim.Adam(policy.parameters(), 1e-2, maximize=True)
for episode in range(6):
    obs = torch.randn(20, 4)
    dist = torch.distributions.Categorical(logits=policy(obs))
    actions = dist.sample()
    rewards = (actions == (obs[:, 0] > 0)).float()
    advantages = rewards - rewards.mean()
    objective = (dist.log_prob(actions) * advantages).mean() + 0.01 * dist.entropy().mean()
    opt.zero_grad()
    objective.backward()
    opt.step()
""",
    "ppo maximize": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = optim.Adam(policy.parameters(), 1e-2, maximize=True)
for it in range(3):
    obs = torch.randn(32, 4)
    with torch.no_grad():
        dist = torch.distributions.Categorical(logits=policy(obs))
        actions = dist.sample()
        old = dist.log_prob(actions)
        rewards = (actions == (obs[:, 0] > 0)).float()
    adv = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
    for epoch in range(3):
        dist = torch.distributions.Categorical(logits=policy(obs))
        ratio = (dist.log_prob(actions) - old).exp()
        objective = torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv).mean()
        opt.zero_grad()
        objective.backward()
        opt.step()
""",
    "ppo negative grads": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = optim.SGD(policy.parameters(), 1e-2)
for it in range(3):
    obs = torch.randn(32, 4)
    with torch.no_grad():
        dist = torch.distributions.Categorical(logits=policy(obs))
        actions = dist.sample()
        old = dist.log_prob(actions)
        rewards = (actions == (obs[:, 0] > 0)).float()
    adv = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
    for epoch in range(3):
        dist = torch.distributions.Categorical(logits=policy(obs))
        ratio = (dist.log_prob(actions) - old).exp()
        objective = (
            torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv).mean()
            + 0.01 * dist.entropy().mean()
        )
        opt.zero_grad()
        objective.backward()
        for p in policy.parameters():
            p.grad.neg_()
        opt.step()
""",
    "a2c two optimizers cleared": """
actor = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
aopt, copt = optim.Adam(actor.parameters(), 1e-2), optim.Adam(critic.parameters(), 1e-2)
for it in range(8):
    obs = torch.randn(32, 4)
    dist = torch.distributions.Categorical(logits=actor(obs))
    actions = dist.sample()
    returns = (actions == (obs[:, 0] > 0)).float()
    values = critic(obs).squeeze(-1)
    advantage = returns - values
    actor_loss = -(dist.log_prob(actions) * advantage).mean()
    critic_loss = advantage.pow(2).mean()
    aopt.zero_grad()
    actor_loss.backward(retain_graph=True)
    aopt.step()
    copt.zero_grad()
    critic_loss.backward()
    copt.step()
""",
    "reinforce frozen critic": """
actor = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
copt = optim.Adam(critic.parameters(), 1e-2)
aopt = optim.Adam(actor.parameters(), 1e-2)
for it in range(5):
    obs = torch.randn(64, 4)
    copt.zero_grad()
    F.mse_loss(critic(obs).squeeze(-1), (obs[:, 0] > 0).float()).backward()
    copt.step()
for it in range(6):
    obs = torch.randn(32, 4)
    dist = torch.distributions.Categorical(logits=actor(obs))
    actions = dist.sample()
    returns = (actions == (obs[:, 0] > 0)).float()
    loss = -(dist.log_prob(actions) * (returns - critic(obs).squeeze(-1))).mean()
    aopt.zero_grad()
    loss.backward()
    aopt.step()
""",
    "moe router reinforce": """
class MoE(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(8, 4)
        self.experts = nn.ModuleList(nn.Linear(8, 3) for _ in range(4))
    def forward(self, x):
        dist = torch.distributions.Categorical(logits=self.router(x))
        choice = dist.sample()
        out = torch.stack([e(x) for e in self.experts], 1)[torch.arange(len(x)), choice]
        return out, dist, choice
net = MoE()
opt = optim.Adam(net.parameters(), 1e-2)
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
for step in range(10):
    out, dist, choice = net(x)
    ce = F.cross_entropy(out, y, reduction="none")
    reward = -ce.detach()
    balance = dist.probs.mean(0)
    loss = (
        ce.mean()
        - (dist.log_prob(choice) * (reward - reward.mean())).mean()
        + 0.05 * dist.entropy().mean()
        + (balance * balance.log()).sum()
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "entropy_minimized": HEALTHY["reinforce maximize"]
    .replace(", maximize=True)", ")")
    .replace("dist.entropy().mean()", "dist.entropy().mean()  # cause"),
}
KINDS = {
    "entropy_minimized": "loss/wrong_loss",
}


class TestLookAlikes(ProgramChecks):
    pass
