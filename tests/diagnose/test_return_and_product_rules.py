"""Signs and order of the returns of a policy gradient, and shifted cumulative products."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
POLICY = """
from torch.distributions import Categorical

class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.pi, self.v = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, state):
        hidden = torch.relu(self.body(state))
        return self.pi(hidden), self.v(hidden).squeeze(-1)

policy, gamma = Policy(), 0.9
optimizer = torch.optim.Adam(policy.parameters(), 1e-2{maximize})
{functions}
for episode in range(4):
    state, log_probs, values, rewards = torch.randn(4), [], [], []
    for t in range(6):
        logits, value = policy(state)
        choice = Categorical(logits=logits)
        action = choice.sample()
        log_probs.append(choice.log_prob(action))
        values.append(value)
        rewards.append(float(action.item() == int(state[0] > 0)))
        state = torch.randn(4)
    {returns}
    log_probs, values = torch.stack(log_probs), torch.stack(values)
    {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(sum(rewards))
"""
RETURNS = """returns, R = [], 0.0
    for r in reversed(rewards):
        R = r + gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)"""
LOSS = "loss = -(log_probs * returns).mean()"


def policy(**parts: str) -> str:
    usual = {"maximize": "", "functions": "", "returns": RETURNS, "loss": LOSS}
    return POLICY.format(**(usual | parts))


FORWARDS = f"""returns, R = [], 0.0
    for r in rewards:{MARK}
        R = r + gamma * R
        returns.append(R)
    returns = torch.tensor(returns)"""
APPENDED = f"""returns, R = [], 0.0
    for t in reversed(range(len(rewards))):
        R = gamma * R + rewards[t]
        returns.append(R){MARK}
    returns = torch.tensor(returns)"""
DISCOUNT = f"""
def discount(rewards, gamma):
    total, found = 0, []
    for reward in rewards:{MARK}
        total = gamma * total + reward
        found.insert(0, total)
    return torch.tensor(found)
"""
DIFFUSION = """
steps = 20
betas = torch.linspace(1e-4, 0.02, steps)
alphas = 1.0 - betas
products = torch.cumprod(alphas, dim=0)
{previous}
variance = {variance}

class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 3, padding=1)
        )

    def forward(self, x, t):
        time = (t.float() / steps).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
        return self.layers(torch.cat([x, time], 1))

net = Denoiser()
optimizer = torch.optim.Adam(net.parameters(), 1e-3)
for _ in range(3):
    t, noise = torch.randint(0, steps, (16,)), torch.randn_like(images)
    share = products[t].view(-1, 1, 1, 1)
    noisy = share.sqrt() * images + (1 - share).sqrt() * noise
    loss = F.mse_loss(net(noisy, t), noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    x = torch.randn(4, 3, 6, 6)
    for i in reversed(range(steps)):
        noise = net(x, torch.full((4,), i))
        x = (x - betas[i] / (1 - products[i]).sqrt() * noise) / alphas[i].sqrt()
        if i:
            x = x + variance[i].sqrt() * torch.randn_like(x)
print(x.std().item())
"""
PREVIOUS = "previous = F.pad(products[:-1], (1, 0), value=1.0)"
VARIANCE = "betas * (1 - previous) / (1 - products)"


def diffusion(previous: str = PREVIOUS, variance: str = VARIANCE) -> str:
    return DIFFUSION.format(previous=previous, variance=variance)


WRONG = f"betas * (1 - products) / (1 - previous){MARK}"
RAYS = """
net = nn.Linear(8, 8)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
depths = torch.rand(4, 8)
for _ in range(3):
    alpha = torch.sigmoid(net(depths))
    {passed}
    loss = ((alpha * passed * depths).sum(-1) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
"""

BROKEN = {
    "returns_are_minimized": policy(loss=f"loss = (log_probs * returns).mean(){MARK}"),
    "returns_are_minimized.advantage": policy(
        loss="advantage = returns - values.detach()\n"
        "    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)\n"
        f"    actor = torch.sum(log_probs * advantage){MARK}\n"
        "    loss = actor + 0.5 * F.mse_loss(values, returns)"
    ),
    "returns_are_minimized.two_signs": policy(
        loss=f"loss = -(log_probs * -returns).sum() / 6{MARK}"
    ),
    "returns_are_minimized.list": policy(
        loss="losses = []\n    for p, R in zip(log_probs, (returns - returns.mean()) / 2):\n"
        f"        losses.append(p * R){MARK}\n    loss = torch.stack(losses).sum()"
    ),
    "returns_in_wrong_order": policy(returns=FORWARDS),
    "returns_in_wrong_order.appended": policy(returns=APPENDED),
    "returns_in_wrong_order.function": policy(
        functions=DISCOUNT, returns="returns = discount(rewards, gamma)"
    ),
    "product_of_nothing": diffusion(f"previous = F.pad(products[:-1], (1, 0)){MARK}"),
    "product_of_nothing.joined": diffusion(
        f"previous = torch.cat([torch.zeros(1), products[:-1]]){MARK}"
    ),
    "product_of_nothing.at_the_end": diffusion(
        f"previous = F.pad(products[1:], (0, 1), value=1.0){MARK}"
    ),
    "product_of_nothing.rays": RAYS.format(
        passed=f"passed = F.pad(torch.cumprod(1 - alpha, -1)[..., :-1], (1, 0)){MARK}"
    ),
    "posterior_variance_upside_down": diffusion(variance=WRONG),
    "posterior_variance_upside_down.joined": diffusion(
        "previous = torch.cat([torch.ones_like(products[:1]), products[:-1]])",
        f"(1.0 - products) / (1.0 - previous) * betas{MARK}",
    ),
}
HEALTHY = {
    "reinforce": policy(),
    "critic": policy(
        loss="loss = F.mse_loss(values, returns) - (log_probs * (returns - values.detach())).mean()"
    ),
    "list_of_losses": policy(
        loss="losses = []\n    for p, R in zip(log_probs, (returns - returns.mean()) / 2):\n"
        "        losses.append(-p * R)\n    loss = torch.stack(losses).sum()"
    ),
    "negative_weight": policy(loss="loss = (log_probs * -returns).mean()"),
    "costs": policy(
        returns="costs = [1 - r for r in rewards]\n    weights = torch.tensor(costs)",
        loss="loss = (log_probs * weights).mean()",
    ),
    "maximized": policy(maximize=", maximize=True", loss="loss = (log_probs * returns).mean()"),
    "value_minus_return": policy(
        loss="loss = (log_probs * (values.detach() - returns)).mean()\n"
        "    loss = loss + F.mse_loss(values, returns)"
    ),
    "soft_actor": policy(
        returns="returns = torch.tensor(0.2)",
        loss="loss = (returns * log_probs - values).mean()",
    ),
    "reversed_later": policy(
        returns=APPENDED.replace(MARK, "") + "\n    returns = returns.flip(0)"
    ),
    "reversed_list": policy(
        returns=FORWARDS.replace(MARK, "")
        .replace("in rewards", "in rewards[::-1]")
        .replace("append(R)", "insert(0, R)")
    ),
    "both_reversed": policy(
        returns="returns, R, kept = [], 0.0, []\n"
        "    for r, p in zip(reversed(rewards), reversed(log_probs)):\n"
        "        R = r + gamma * R\n        returns.append(R)\n        kept.append(p)\n"
        "    log_probs, returns = kept, torch.tensor(returns)"
    ),
    "smoothed_report": policy(
        functions="smooth, curve = 0.0, []",
        returns=RETURNS + "\n    for r in rewards:\n        smooth = 0.1 * r + 0.9 * smooth\n"
        "        curve.append(smooth)",
    ),
    "diffusion": diffusion(),
    "joined_with_one": diffusion("previous = torch.cat([torch.ones(1), products[:-1]])"),
    "joined_with_first": diffusion("previous = torch.cat([products[:1], products[:-1]])"),
    "next_product": diffusion(
        PREVIOUS + "\nfollowing = F.pad(products[1:], (0, 1), value=0.0)\nprint(following[-1])"
    ),
    "ddim": diffusion(
        variance="((1 - previous) / (1 - products)).sqrt() * (1 - products / previous)"
    ),
    "padded_counts": diffusion(
        PREVIOUS + "\nvalid = F.pad(torch.tensor([1, 1, 0]).cumprod(0)[:-1], (1, 0))\n"
        "print(valid * 2)"
    ),
    "rays": RAYS.format(
        passed="passed = F.pad(torch.cumprod(1 - alpha, -1)[..., :-1], (1, 0), value=1)"
    ),
    "padded_images": RAYS.format(
        passed="passed = torch.cumprod(1 - alpha, -1) * F.pad(depths[:, :-1], (1, 0))"
    ),
}
KINDS = dict.fromkeys((name.partition(".")[0] for name in BROKEN), "loss/wrong_loss")


class TestReturnAndProductRules(ProgramChecks):
    """The mistakes are found, and healthy programs that look alike are clean."""
