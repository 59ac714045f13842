"""Outputs that leave the graph, losses with parameters of their own, and steps in one line."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
AGENT = """
from torch.distributions import Normal

actor, critic = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), nn.Linear(4, 1)
of_actor, of_critic = (torch.optim.Adam(n.parameters(), 1e-2) for n in (actor, critic))

def policy(states):
    {mean}
    return Normal(mean, 0.3)

for step in range(5):
    states = torch.randn(16, 4)
    dist = policy(states)
    actions = dist.sample()
    rewards = -(actions - states[:, :1]) ** 2
    values = critic(states)
    gains = -(dist.log_prob(actions) * (rewards - values).detach()).mean()
    loss = gains + F.mse_loss(values, rewards)
    of_actor.zero_grad()
    of_critic.zero_grad()
    loss.backward()
    of_actor.step()
    of_critic.step()
"""
TASKS = """
class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(2))

    def forward(self, scores, values, y, z):
        terms = torch.stack([F.cross_entropy(scores, y), F.mse_loss(values, z)])
        return (terms * torch.exp(-self.weights) + self.weights).sum()

class Perceptual(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(4, 6), nn.ReLU())

    def forward(self, scores, values, y, z):
        return F.cross_entropy(scores, y) + self.features(scores).square().mean() + values.mean()

class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.classes, self.value = nn.Linear(64, 4), nn.Linear(64, 1)

    def forward(self, x):
        x = torch.relu(self.body(x)).flatten(1)
        return self.classes(x), self.value(x).squeeze(1)

net, criterion, values = Both(), {criterion}, torch.randn(16)
{optimizer}
for step in range(4):
    loss = criterion(*net(images), labels, values)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
FROZEN = """
class Clips(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        {forward}

net = Clips()
{before}
optimizer = torch.optim.Adam({parameters}, lr=1e-3)
for step in range(4):
    loss = F.cross_entropy(net(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
IN_TURN = """
encoder = nn.Linear(8, 36)
judge = nn.Sequential(nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 1))
optimizers = [torch.optim.Adam(n.parameters(), 1e-3) for n in (encoder, judge)]

def training_step(z, real, turn):
    fake = encoder(z)
    if turn == 0:
        {term}
        return F.mse_loss(scores, torch.ones_like(scores)) + F.l1_loss(fake, real)
    scores = judge(fake.detach())
    return F.mse_loss(scores, torch.zeros_like(scores)) + F.mse_loss(
        judge(real), torch.ones_like(scores)
    )

for step in range(4):
    z, real = torch.randn(16, 8), torch.rand(16, 36)
    for turn, optimizer in enumerate(optimizers):
        optimizer.zero_grad()
        training_step(z, real, turn).backward()
        optimizer.step()
"""
LOADED = """
net, other = Net(), Net()
optimizer = torch.optim.Adam(net.parameters())
F.cross_entropy(net(images), labels).backward()
optimizer.step()
state = {{"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1}}
{load}
other.eval()
with torch.no_grad():
    print(other(images).argmax(1))
"""


def agent(mean: str) -> str:
    return AGENT.format(mean=mean)


def tasks(optimizer: str, criterion: str = "Weighted()") -> str:
    return TASKS.format(optimizer=optimizer, criterion=criterion)


def frozen(forward: str, before: str = "", parameters: str = "net.parameters()") -> str:
    return FROZEN.format(forward=forward, before=before, parameters=parameters)


ADAM = "optimizer = torch.optim.Adam(net.parameters(), 1e-3)"
BLOCK = "with torch.no_grad():{mark}\n            x = self.cnn(x)\n        return self.head(x)"
BROKEN = {
    "output_becomes_numbers": agent(
        f"mean = torch.from_numpy(actor(states).detach().numpy() * 2){MARK}"
    ),
    "output_becomes_numbers.list": agent(
        f"numbers = actor(states).tolist(){MARK}\n    mean = torch.tensor(numbers)"
    ),
    "loss_is_not_trained": tasks(ADAM + MARK),
    "loss_is_not_trained.sgd": tasks(
        f"parameters = list(net.parameters())\noptimizer = torch.optim.SGD(parameters, 1e-2){MARK}"
    ),
    "untrained_layers_without_autograd": frozen(BLOCK.format(mark=MARK)),
    "term_reaches_no_trained_parameter": IN_TURN.format(
        term=f"scores = judge(fake.detach()){MARK}"
    ),
    "weights_not_loaded": LOADED.format(load=f"other.load_state_dict(state, strict=False){MARK}"),
}
HEALTHY = {
    "a mean with a gradient": agent("mean = actor(states) * 2"),
    "a mean that is also printed": agent(
        "mean = actor(states)\n    print(mean.mean().item(), mean.detach().numpy().shape)"
    ),
    "the loss has its parameters in the optimizer": tasks(
        "optimizer = torch.optim.Adam([*net.parameters(), *criterion.parameters()], 1e-3)"
    ),
    "the loss has an optimizer of its own": tasks(
        f"{ADAM}\nof_loss = torch.optim.SGD(criterion.parameters(), 1e-2)"
    ).replace(
        "    optimizer.step()", "    optimizer.step()\n    of_loss.step()\n    of_loss.zero_grad()"
    ),
    "a perceptual loss": tasks(ADAM, "Perceptual()"),
    "weights that do not require a gradient": tasks(f"criterion.requires_grad_(False)\n{ADAM}"),
    "frozen layers": frozen(BLOCK.format(mark=""), "net.cnn.requires_grad_(False)"),
    "only the head is trained": frozen(BLOCK.format(mark=""), parameters="net.head.parameters()"),
    "loaded layers": frozen(
        BLOCK.format(mark=""), "net.cnn.load_state_dict(Clips().cnn.state_dict())"
    ),
    "two losses in turn": IN_TURN.format(term="scores = judge(fake)"),
    "loaded by its name": LOADED.format(load="other.load_state_dict(state['model'])"),
}
KINDS = {
    "output_becomes_numbers": "training/graph_detached",
    "loss_is_not_trained": "training/frozen_and_wrong_optimizer",
    "untrained_layers_without_autograd": "training/no_grad_in_forward",
    "term_reaches_no_trained_parameter": "training/graph_detached",
    "weights_not_loaded": "state/state_dict_mismatch",
}


class TestPrograms(ProgramChecks):
    pass
