"""Losses of policy gradients, and target networks of Q-learning."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
POLICY = """
from torch.distributions import Categorical, Normal

class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.actor, self.critic = nn.Linear(128, 4), nn.Linear(128, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x)).flatten(1)
        return self.actor(x), self.critic(x).squeeze(1)

policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), 1e-3)
for episode in range(6):
    states = torch.randn(32, 1, 6, 6)
    logits, values = policy(states)
    dist = Categorical(logits=logits)
    actions = dist.sample()
    returns = (actions == 0).float()
    {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
CLIPPED = """
from torch.distributions import Categorical

policy = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 4))
optimizer = torch.optim.Adam(policy.parameters(), 1e-3)

def clipped_loss(ratio, advantage, eps=0.2):
    {loss}

for episode in range(4):
    states = torch.randn(32, 1, 6, 6)
    with torch.no_grad():
        dist = Categorical(logits=policy(states))
        actions = dist.sample()
        old = dist.log_prob(actions)
        advantage = (actions == 0).float() - 0.25
    for update in range(3):
        dist = Categorical(logits=policy(states))
        ratio = (dist.log_prob(actions) - old).exp()
        loss = clipped_loss(ratio, advantage) - 0.01 * dist.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
QLEARNING = """
import copy
import random

def network():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))

class Agent:
    def __init__(self):
        self.online, self.target = network(), network()
        {first}
        self.optimizer = torch.optim.Adam(self.online.parameters(), 1e-3)
        self.memory = [
            (torch.rand(4), random.randrange(3), random.random(), torch.rand(4), i % 5 == 0)
            for i in range(64)
        ]
        self.steps = 0

    def synchronize(self):
        self.target.load_state_dict(self.online.state_dict())

    def learn(self):
        s, a, r, s2, done = zip(*random.sample(self.memory, 8))
        a, r, done = torch.tensor(a), torch.tensor(r), torch.tensor(done).float()
        with torch.no_grad():
            {best}
        q = self.online(torch.stack(s)).gather(1, a[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(q, r + 0.9 * best * (1 - done))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        {after}

agent = Agent()
for step in range(12):
    agent.learn()
{end}
"""


def policy(loss: str) -> str:
    return POLICY.format(loss=loss)


def clipped(loss: str) -> str:
    return CLIPPED.format(loss=loss)


def q_learning(**parts: str) -> str:
    usual = {
        "first": "self.target.load_state_dict(self.online.state_dict())",
        "best": "best = self.target(torch.stack(s2)).max(1).values",
        "after": "pass",
        "end": "",
    }
    return QLEARNING.format(**(usual | parts))


ADVANTAGE = "advantage = (returns - values).detach()\n    "
VALUE_LOSS = "0.5 * F.mse_loss(values, returns)"
DOUBLE = (
    "chosen = self.online(torch.stack(s2)).argmax(1, keepdim=True)\n            "
    "best = self.target(torch.stack(s2)).gather(1, chosen).squeeze(1)"
)
BROKEN = {
    "entropy_minimized": policy(
        f"{ADVANTAGE}loss = -(dist.log_prob(actions) * advantage).mean() + {VALUE_LOSS}"
        f" + 0.01 * dist.entropy().mean(){MARK}"
    ),
    "entropy_minimized.parts": policy(
        f"{ADVANTAGE}actor = -(dist.log_prob(actions) * advantage).mean()\n"
        f"    critic, entropy = {VALUE_LOSS}, dist.entropy().mean()\n"
        f"    loss = actor + critic + 0.02 * entropy{MARK}"
    ),
    "entropy_minimized.minus_minus": policy(
        f"{ADVANTAGE}gain = dist.log_prob(actions) * advantage - 0.01 * dist.entropy()\n"
        f"    loss = -gain.mean() + {VALUE_LOSS}"
    ).replace("* dist.entropy()\n", f"* dist.entropy(){MARK}\n"),
    "larger_objective": clipped(
        f"return -torch.max(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean(){MARK}"
    ),
    "larger_objective.negated": clipped(
        "one = -advantage * ratio\n    other = -advantage * torch.clamp(ratio, 1 - eps, 1 + eps)\n"
        f"    return torch.min(one, other).mean(){MARK}"
    ),
    "advantage_has_a_gradient": policy(
        f"loss = -(dist.log_prob(actions) * (returns - values)).mean() + {VALUE_LOSS}{MARK}"
    ),
    "advantage_has_a_gradient.normalized": policy(
        "advantage = returns - values\n"
        "    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)\n"
        f"    actor = (-dist.log_prob(actions) * advantage).mean(){MARK}\n"
        f"    loss = actor + {VALUE_LOSS}"
    ),
    "target_network_stays": q_learning(
        best=f"best = self.target(torch.stack(s2)).max(1).values{MARK}"
    ),
    "target_network_stays.double": q_learning(best=DOUBLE + MARK),
    "target_network_stays.deepcopy": q_learning(
        first="self.target = copy.deepcopy(self.online)",
        best=f"best = self.target(torch.stack(s2)).max(1).values{MARK}",
    ),
}
HEALTHY = {
    "entropy is a bonus": policy(
        f"{ADVANTAGE}loss = -(dist.log_prob(actions) * advantage).mean() + {VALUE_LOSS}"
        " - 0.01 * dist.entropy().mean()"
    ),
    "the gain is negated as a whole": policy(
        f"{ADVANTAGE}gain = dist.log_prob(actions) * advantage + 0.01 * dist.entropy()\n"
        f"    loss = {VALUE_LOSS} - gain.mean()"
    ),
    "a factor below 0": policy(
        f"{ADVANTAGE}loss = -(dist.log_prob(actions) * advantage).mean() + {VALUE_LOSS}"
        " + -0.01 * dist.entropy().mean()"
    ),
    "entropy of predictions without labels": policy(
        "loss = dist.entropy().mean() + F.cross_entropy(logits, actions) + values.mean() ** 2"
    ),
    "the smaller objective": clipped(
        "return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()"
    ),
    "the larger loss": clipped(
        "one, other = -advantage * ratio, -advantage * ratio.clamp(1 - eps, 1 + eps)\n"
        "    return torch.max(one, other).mean()"
    ),
    "a clipped value loss": policy(
        f"{ADVANTAGE}clipped = returns.mean() + (values - returns.mean()).clamp(-0.2, 0.2)\n"
        "    worst = torch.max((values - returns) ** 2, (clipped - returns) ** 2).mean()\n"
        "    loss = -(dist.log_prob(actions) * advantage).mean() + 0.5 * worst"
    ),
    "a reward without a baseline": policy(
        f"loss = -(dist.log_prob(actions) * (returns - returns.mean())).mean() + {VALUE_LOSS}"
    ),
    "the values are detached": policy(
        f"loss = -(dist.log_prob(actions) * (returns - values.detach())).mean() + {VALUE_LOSS}"
    ),
    "reparametrized": policy(
        "normal = Normal(logits.mean(1), 1.0)\n    chosen = normal.rsample()\n"
        "    loss = (0.2 * normal.log_prob(chosen) + (chosen - values) ** 2).mean()"
    ),
    "the target follows": q_learning(
        after="if self.steps % 100 == 0:\n            self.synchronize()"
    ),
    "the target follows slowly": q_learning(
        after="for p, q in zip(self.target.parameters(), self.online.parameters()):\n"
        "            p.data.copy_(0.99 * p.data + 0.01 * q.data)"
    ),
    "synchronized outside": q_learning(end="for episode in range(2):\n    agent.synchronize()"),
    "targets of the network itself": q_learning(
        best="best = self.online(torch.stack(s2)).max(1).values"
    ),
}
KINDS = {
    "entropy_minimized": "loss/wrong_loss",
    "larger_objective": "loss/wrong_loss",
    "advantage_has_a_gradient": "loss/wrong_loss",
    "target_network_stays": "training/not_learning",
}


class TestPolicies(ProgramChecks):
    pass
