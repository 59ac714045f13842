"""Programs that look like target networks that never follow."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
import copy

from torch import optim

def transitions():
    states, after = torch.randn(2, 16, 4)
    actions, ended = torch.randint(0, 2, (16,)), (torch.rand(16) < 0.1).float()
    return states, actions, torch.rand(16), after, ended

"""
HEALTHY = {
    "dqn callback sync": """
class Agent:
    def __init__(self):
        self.q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
        self.target = copy.deepcopy(self.q)
        self.opt = optim.Adam(self.q.parameters(), 1e-3)
        self.callbacks = {1000: self.sync}
        self.steps = 0
    def sync(self):
        self.target.load_state_dict(self.q.state_dict())
    def learn(self, s, a, r, s2, done):
        with torch.no_grad():
            target = r + 0.99 * self.target(s2).max(1).values * (1 - done)
        q = self.q(s).gather(1, a[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(q, target)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.steps += 1
        for period, callback in self.callbacks.items():
            if self.steps % period == 0:
                callback()
agent = Agent()
for step in range(12):
    agent.learn(
        torch.randn(16, 4),
        torch.randint(0, 2, (16,)),
        torch.rand(16),
        torch.randn(16, 4),
        (torch.rand(16) < 0.1).float(),
    )
""",
    "dqn vector sync": """
from torch.nn.utils import parameters_to_vector, vector_to_parameters
q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
vector_to_parameters(parameters_to_vector(q.parameters()), target_net.parameters())
opt = optim.Adam(q.parameters(), 1e-3)
for step in range(1, 13):
    s, a, r, s2, done = transitions()
    with torch.no_grad():
        target = r + 0.99 * target_net(s2).max(1).values * (1 - done)
    loss = F.mse_loss(q(s).gather(1, a[:, None]).squeeze(1), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 500 == 0:
        vector_to_parameters(parameters_to_vector(q.parameters()), target_net.parameters())
""",
    "dqn data assign sync": """
q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net = copy.deepcopy(q)
opt = optim.Adam(q.parameters(), 1e-3)
UPDATE_EVERY = 100
for step in range(1, 13):
    s, a, r, s2, done = transitions()
    with torch.no_grad():
        target = r + 0.99 * target_net(s2).max(1).values * (1 - done)
    loss = F.mse_loss(q(s).gather(1, a[:, None]).squeeze(1), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % UPDATE_EVERY == 0:
        for tp, p in zip(target_net.parameters(), q.parameters()):
            tp.data = 0.1 * p.data + 0.9 * tp.data
""",
    "dqn swap names": """
q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net = copy.deepcopy(q)
opt = optim.Adam(q.parameters(), 1e-3)
from torch.optim.swa_utils import AveragedModel
avg = AveragedModel(q, avg_fn=lambda a, p, n: 0.995 * a + 0.005 * p)
for step in range(1, 13):
    s, a, r, s2, done = transitions()
    with torch.no_grad():
        target = r + 0.99 * avg(s2).max(1).values * (1 - done)
    loss = F.mse_loss(q(s).gather(1, a[:, None]).squeeze(1), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        avg.update_parameters(q)
""",
    "fixed teacher q evaluation": """
behavior = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
opt = optim.Adam(q.parameters(), 1e-3)
behavior.load_state_dict({k: v * 0.5 for k, v in q.state_dict().items()})
for p in behavior.parameters():
    p.requires_grad_(False)
for step in range(12):
    s, a, r, s2, done = transitions()
    target = r + 0.9 * behavior(s2).max(1).values * (1 - done)
    loss = F.mse_loss(q(s).gather(1, a[:, None]).squeeze(1), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "fitted q iteration": """
def make():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
data = (torch.randn(64, 4), torch.randint(0, 2, (64,)), torch.rand(64), torch.randn(64, 4))
prev = make()
for it in range(1):
    q = make()
    opt = optim.Adam(q.parameters(), 1e-3)
    s, a, r, s2 = data
    for step in range(10):
        with torch.no_grad():
            y = r + 0.9 * prev(s2).amax(1)
        loss = F.mse_loss(q(s).gather(1, a[:, None]).squeeze(1), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    prev = q
""",
    "dqn target in other file style": """
class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    def forward(self, s):
        return self.f(s)
    def follow(self, other, tau):
        mine, theirs = dict(self.named_parameters()), dict(other.named_parameters())
        for name in mine:
            mine[name].detach().mul_(1 - tau).add_(theirs[name].detach(), alpha=tau)
q, target = QNet(), QNet()
target.follow(q, 1.0)
opt = optim.Adam(q.parameters(), 1e-3)
for step in range(12):
    s, a, r, s2 = (
        torch.randn(16, 4),
        torch.randint(0, 2, (16,)),
        torch.rand(16),
        torch.randn(16, 4),
    )
    with torch.no_grad():
        y = r + 0.99 * target(s2).max(1).values
    loss = F.mse_loss(q(s).gather(1, a[:, None]).squeeze(1), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 99:
        target.follow(q, 1.0)
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "target_network_stays": HEALTHY["dqn data assign sync"]
    .replace("tp.data = 0.1 * p.data + 0.9 * tp.data", "assert tp.shape == p.shape")
    .replace("(1 - done)", "(1 - done)  # cause"),
}
KINDS = {
    "target_network_stays": "training/not_learning",
}


class TestLookAlikes(ProgramChecks):
    pass
