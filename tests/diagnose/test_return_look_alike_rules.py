"""Programs whose returns, signs and products look reversed, and are right."""

from __future__ import annotations

from rule_checks import ProgramChecks

IMPORTS = """
from torch.distributions import Categorical, Normal
from torch.utils.data import DataLoader, TensorDataset
"""
HEALTHY = {
    "running return scale": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.Adam([*policy.parameters(), *critic.parameters()], 0.01)
gamma = 0.99
for episode in range(6):
    state = torch.randn(4)
    states, logps, rewards, nexts = ([], [], [], [])
    for t in range(12):
        dist = Categorical(logits=policy(state))
        action = dist.sample()
        nxt = 0.9 * state + 0.1 * torch.randn(4)
        states.append(state)
        logps.append(dist.log_prob(action))
        rewards.append(float(action.item() == int(state[0] > 0)))
        nexts.append(nxt)
        state = nxt
    running, history = (0.0, [])
    for r in rewards:
        running = r + gamma * running
        history.append(running)
    scale = torch.tensor(history).std() + 1e-06
    s, n = (torch.stack(states), torch.stack(nexts))
    r = torch.tensor(rewards) / scale
    v = critic(s).squeeze(1)
    with torch.no_grad():
        target = r + gamma * critic(n).squeeze(1)
    adv = (target - v).detach()
    loss = -(torch.stack(logps) * adv).mean() + F.mse_loss(v, target)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "rewards inserted in front": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.Adam(policy.parameters(), 0.01)
for episode in range(6):
    state = torch.randn(4)
    logps, rewards = ([], [])
    for t in range(12):
        dist = Categorical(logits=policy(state))
        action = dist.sample()
        logps.insert(0, dist.log_prob(action))
        rewards.insert(0, float(action.item() == int(state[0] > 0)))
        state = torch.randn(4)
    R, returns = (0.0, [])
    for r in rewards:
        R = r + 0.99 * R
        returns.append(R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-06)
    loss = -(torch.stack(logps) * returns).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "indexed from behind": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.Adam(policy.parameters(), 0.01)
for episode in range(6):
    state = torch.randn(4)
    logps, rewards = ([], [])
    for t in range(12):
        dist = Categorical(logits=policy(state))
        action = dist.sample()
        logps.append(dist.log_prob(action))
        rewards.append(float(action.item() == int(state[0] > 0)))
        state = torch.randn(4)
    R, returns = (0.0, [])
    for r in reversed(rewards):
        R = r + 0.99 * R
        returns.append(R)
    T = len(returns)
    loss = 0
    for t, logp in enumerate(logps):
        loss = loss - logp * returns[T - 1 - t]
    loss = loss / T
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "manual ascent": """
policy = nn.Linear(4, 2)
for episode in range(6):
    logps, rewards = ([], [])
    for t in range(12):
        s = torch.randn(4)
        d = Categorical(logits=policy(s))
        a = d.sample()
        logps.append(d.log_prob(a))
        rewards.append(float(a.item() == int(s[0] > 0)))
    returns = torch.tensor(rewards)
    objective = (torch.stack(logps) * (returns - returns.mean())).mean()
    policy.zero_grad()
    objective.backward()
    with torch.no_grad():
        for p in policy.parameters():
            p += 0.1 * p.grad
""",
    "tour lengths": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.Adam(policy.parameters(), 0.01)
def tour(state, action):
    return float(state[action].abs())
baseline = 0.0
for episode in range(6):
    logps, costs = ([], [])
    for t in range(12):
        s = torch.randn(4)
        d = Categorical(logits=policy(s))
        a = d.sample()
        logps.append(d.log_prob(a))
        costs.append(tour(s, a.item()))
    baseline = 0.9 * baseline + 0.1 * sum(costs) / len(costs)
    adv = [c - baseline for c in costs]
    loss = (torch.stack(logps) * torch.tensor(adv)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "negative grads": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.Adam(policy.parameters(), 0.01)
for episode in range(6):
    logps, rewards = ([], [])
    for t in range(12):
        s = torch.randn(4)
        d = Categorical(logits=policy(s))
        a = d.sample()
        logps.append(d.log_prob(a))
        rewards.append(float(a.item() == int(s[0] > 0)))
    J = (torch.stack(logps) * torch.tensor(rewards)).mean()
    opt.zero_grad()
    J.backward()
    for p in policy.parameters():
        p.grad.neg_()
    opt.step()
""",
    "minus gradient": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.Adam(policy.parameters(), 0.01)
for episode in range(6):
    logps, rewards = ([], [])
    for t in range(12):
        s = torch.randn(4)
        d = Categorical(logits=policy(s))
        a = d.sample()
        logps.append(d.log_prob(a))
        rewards.append(float(a.item() == int(s[0] > 0)))
    J = (torch.stack(logps) * torch.tensor(rewards)).mean()
    opt.zero_grad()
    J.backward(gradient=torch.tensor(-1.0))
    opt.step()
""",
    "rewards weighted behavior cloning": """
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.Adam(policy.parameters(), 0.01)
states, actions = (torch.randn(32, 4), torch.randint(0, 2, (32,)))
returns = [float(v) for v in torch.rand(32)]
for _ in range(6):
    logp = Categorical(logits=policy(states)).log_prob(actions)
    nll = -logp
    loss = (nll * torch.tensor(returns)).mean() + 0.01 * (logp.exp() * logp).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "importance ratio": """
mu = nn.Linear(4, 1)
opt = torch.optim.Adam(mu.parameters(), 0.01)
for _ in range(6):
    s = torch.randn(32, 4)
    d = Normal(mu(s), 1.0)
    a = d.sample()
    old = d.log_prob(a).detach()
    adv = torch.tensor([float(-(x - y.sum()).abs()) for x, y in zip(a, s)])
    for _ in range(2):
        ratio = (Normal(mu(s), 1.0).log_prob(a) - old).exp().squeeze(1)
        loss = -torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
    "back to front": """
def composite(net, depth):
    for _ in range(4):
        alpha = net(depth).sigmoid().squeeze(-1)
        behind = torch.cumprod((1 - alpha).flip(1), 1).flip(1)
        exclusive = torch.cat([behind[:, 1:], torch.ones(len(behind), 1)], 1)
        color = (alpha * exclusive).sum(1)
        loss = F.mse_loss(color, depth.mean((1, 2)))
        opt.zero_grad()
        loss.backward()
        opt.step()
net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.Adam(net.parameters(), 0.01)
composite(net, torch.rand(8, 6, 1))
""",
    "alive after bos": """
emb = nn.Embedding(8, 16)
out = nn.Linear(16, 8)
opt = torch.optim.Adam([*emb.parameters(), *out.parameters()], 0.01)
ids = torch.randint(1, 8, (16, 10))
ids[:, 6] = 7
for _ in range(4):
    alive = torch.cumprod((ids != 7).float(), 1)
    weight = F.pad(alive[:, :-1], (1, 0))
    prev = F.pad(ids[:, :-1], (1, 0))
    nll = F.cross_entropy(out(emb(prev)).transpose(1, 2), ids, reduction="none")
    loss = (nll * weight).sum() / weight.sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "negated hardest": """
margin = 0.3
class HardTriplet(nn.Module):
    def forward(self, z, y):
        d = torch.cdist(z, z)
        same = y[:, None] == y[None]
        hardest_pos = d.masked_fill(~same, 0).max(1)[0]
        hardest_neg = -(-d).masked_fill(same, -1000000.0).max(1)[0]
        return F.relu(hardest_pos - hardest_neg + margin).mean()
emb = nn.Sequential(nn.Flatten(), nn.Linear(108, 8))
opt = torch.optim.Adam(emb.parameters(), 0.001)
crit = HardTriplet()
y = torch.arange(16) % 4
for _ in range(6):
    loss = crit(F.normalize(emb(images), dim=1), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "hardest similarities": """
emb = nn.Sequential(nn.Flatten(), nn.Linear(108, 8))
opt = torch.optim.Adam(emb.parameters(), 0.001)
y = torch.arange(16) % 4
same = y[:, None] == y[None]
eye = torch.eye(16, dtype=torch.bool)
for _ in range(6):
    z = F.normalize(emb(images), dim=1)
    s = z @ z.T
    pos = 1 - (1 - s).masked_fill(~same | eye, -1000000.0).max(1).values
    neg = s.masked_fill(same, -1000000.0).max(1).values
    loss = F.relu(neg - pos + 0.2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "learned optimizer": """
x = torch.randn(64, 4)
y = x.sum(1, keepdim=True)
loader = DataLoader(TensorDataset(x, y), 8, shuffle=True)
opt_net = nn.LSTMCell(1, 8)
out = nn.Linear(8, 1)
meta = torch.optim.Adam([*opt_net.parameters(), *out.parameters()], 0.01)
for task in range(2):
    w = torch.zeros(4, 1, requires_grad=True)
    h = c = torch.zeros(4, 8)
    total = 0
    for xb, yb in loader:
        loss = F.mse_loss(xb @ w, yb)
        total = total + loss
        (g,) = torch.autograd.grad(loss, w, retain_graph=True)
        h, c = opt_net(g.detach(), (h, c))
        w = w + 0.1 * out(h)
    meta.zero_grad()
    total.backward()
    meta.step()
""",
    "reward to go by matrix": """
pi = nn.Linear(4, 2)
opt = torch.optim.Adam(pi.parameters(), 0.01)
gamma = 0.9
for ep in range(5):
    logps, rewards = ([], [])
    for t in range(8):
        s = torch.randn(4)
        d = Categorical(logits=pi(s))
        a = d.sample()
        logps.append(d.log_prob(a))
        rewards.append(float(a.item() == int(s[0] > 0)))
    r = torch.tensor(rewards)
    k = torch.arange(8)
    w = (gamma ** (k[None] - k[:, None])).triu()
    returns = w @ r
    smooth, curve = (0.0, [])
    for x in rewards:
        smooth = x + 0.5 * smooth
        curve.append(smooth)
    print(max(curve))
    loss = -(torch.stack(logps) * (returns - returns.mean())).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "discount factors are kept": """
pi = nn.Linear(4, 2)
opt = torch.optim.Adam(pi.parameters(), 0.01)
gamma = 0.9
class Buffer:
    def __init__(self):
        self.rewards, self.logps = ([], [])
    def returns(self):
        g, out = (0.0, [0.0] * len(self.rewards))
        for i in range(len(self.rewards)):
            j = len(self.rewards) - 1 - i
            g = self.rewards[j] + gamma * g
            out[j] = g
        return torch.tensor(out)
for ep in range(5):
    b = Buffer()
    for t in range(8):
        s = torch.randn(4)
        d = Categorical(logits=pi(s))
        a = d.sample()
        b.logps.append(d.log_prob(a))
        b.rewards.append(float(a.item() == int(s[0] > 0)))
    loss = -(torch.stack(b.logps) * b.returns()).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "survival hazard": """
haz = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8))
opt = torch.optim.Adam(haz.parameters(), 0.01)
x = torch.randn(32, 6)
t = torch.randint(0, 8, (32,))
for _ in range(5):
    h = haz(x).sigmoid()
    alive = torch.cumprod(1 - h, 1)
    before = F.pad(alive, (1, 0), value=1.0)[:, :-1]
    cdf = F.pad(1 - alive[:, :-1], (1, 0))
    pmf = h * before
    loss = -(pmf.gather(1, t[:, None]) + 1e-08).log().mean() + 0.1 * cdf.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "halting probabilities": """
class Ponder(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.GRUCell(6, 8)
        self.h = nn.Linear(8, 1)
        self.o = nn.Linear(8, 2)
    def forward(self, x):
        s, outs, halts = (x.new_zeros(len(x), 8), [], [])
        for _ in range(5):
            s = self.c(x, s)
            halts.append(self.h(s).sigmoid().squeeze(1))
            outs.append(self.o(s))
        lam = torch.stack(halts, 1)
        going = torch.cumprod(1 - lam, 1)
        p = lam * torch.cat([torch.ones_like(lam[:, :1]), going[:, :-1]], 1)
        rest = torch.cat([p[:, :-1], going[:, -2:-1]], 1)
        return (rest[..., None] * torch.stack(outs, 1)).sum(1)
net = Ponder()
opt = torch.optim.Adam(net.parameters(), 0.01)
x = torch.randn(16, 6)
y = torch.randint(0, 2, (16,))
for _ in range(5):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "ppo with normalized returns": """
ac = nn.ModuleDict({"pi": nn.Linear(4, 2), "v": nn.Linear(4, 1)})
opt = torch.optim.Adam(ac.parameters(), 0.01)
class Scaler:
    def __init__(self):
        self.ret, self.values = (0.0, [])
    def __call__(self, rewards):
        out = []
        for r in rewards:
            self.ret = r + 0.99 * self.ret
            self.values.append(self.ret)
            out.append(r / (torch.tensor(self.values).std(unbiased=False).item() + 1.0))
        return out
scaler = Scaler()
for ep in range(4):
    S, A, L, rewards = ([], [], [], [])
    for t in range(8):
        s = torch.randn(4)
        d = Categorical(logits=ac["pi"](s))
        a = d.sample()
        S.append(s)
        A.append(a)
        L.append(d.log_prob(a).detach())
        rewards.append(float(a.item() == int(s[0] > 0)))
    rewards = scaler(rewards)
    s = torch.stack(S)
    v = ac["v"](s).squeeze(1).detach()
    adv, last = (torch.zeros(8), 0.0)
    for t in range(7, -1, -1):
        delta = rewards[t] + (0.99 * v[t + 1] if t < 7 else 0) - v[t]
        last = delta + 0.99 * 0.95 * last
        adv[t] = last
    target = adv + v
    adv = (adv - adv.mean()) / (adv.std() + 1e-08)
    for _ in range(2):
        d = Categorical(logits=ac["pi"](s))
        ratio = (d.log_prob(torch.stack(A)) - torch.stack(L)).exp()
        loss = (
            -torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv).mean()
            + 0.5 * F.mse_loss(ac["v"](s).squeeze(1), target)
            - 0.01 * d.entropy().mean()
        )
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(ac.parameters(), 0.5)
        opt.step()
""",
}
HEALTHY = {name: IMPORTS + text for name, text in HEALTHY.items()}
BROKEN = {
    "returns_are_minimized": HEALTHY["minus gradient"]
    .replace("gradient=torch.tensor(-1.0)", "")
    .replace("torch.tensor(rewards)).mean()", "torch.tensor(rewards)).mean()  # cause"),
}
KINDS = {
    "returns_are_minimized": "loss/wrong_loss",
}


class TestLookAlikes(ProgramChecks):
    pass
