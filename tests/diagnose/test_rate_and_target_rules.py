"""Learning rates in variables, targets of Q-learning, and labels of samples that are mixed."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
RATE = """
{before}
net, lr = Net(), {rate}
optimizer = torch.optim.SGD(net.parameters(), lr=lr)
{after}
for epoch in range(4):
    {change}
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    {shown}
"""
RATE_IN_A_FUNCTION = """
import math

def train(net, epochs=4, rate=0.05):
    optimizer = torch.optim.Adam(net.parameters(), rate)
    for epoch in range(epochs):
        for x, y in zip(images.split(8), labels.split(8)):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        {change}
    return net

train(Net())
"""
AGENT = """
import random

class Agent:
    def __init__(self):
        self.online, self.fixed = (
            nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)) for _ in range(2)
        )
        self.fixed.load_state_dict(self.online.state_dict())
        self.optimizer = torch.optim.Adam(self.online.parameters(), 1e-3)
        self.memory = [
            (torch.rand(4), random.randrange(3), random.random(), torch.rand(4), i % 5 == 0)
            for i in range(64)
        ]

    def sample(self):
        s, a, r, s2, done = zip(*random.sample(self.memory, 8))
        a, r, done = torch.tensor(a), torch.tensor(r), torch.tensor(done).float()
        return torch.stack(s), a, r, torch.stack(s2), done

    def learn(self):
        {read}
        with torch.no_grad():
            {target}
        loss = F.smooth_l1_loss(self.online(s).gather(1, a[:, None]).squeeze(1), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

agent = Agent()
for step in range(6):
    agent.learn()
"""
PLAYED = """
import random
from collections import deque

class Walk:
    def step(self, action):
        return torch.rand(4), random.random(), False, {{}}

game, memory, s = Walk(), deque(maxlen=64), torch.rand(4)
online, fixed = (nn.Linear(4, 3) for _ in range(2))
fixed.load_state_dict(online.state_dict())
optimizer = torch.optim.Adam(online.parameters(), 1e-3)
for step in range(20):
    action = random.randrange(3)
    s2, reward, done, _ = game.step(action)
    memory.append((s, action, reward, s2))
    s = s2
    if len(memory) >= 8:
        states, actions, rewards, after = zip(*random.sample(memory, 8))
        states, after = torch.stack(states), torch.stack(after)
        with torch.no_grad():
            y = torch.tensor(rewards) + 0.9 * fixed(after).max(1).values
        q = online(states).gather(1, torch.tensor(actions)[:, None]).squeeze(1)
        loss = F.mse_loss(q, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if step % 10 == 9:
        fixed.load_state_dict(online.state_dict())
"""
MIXED = """
import numpy as np
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(0)
weights = [0.2, 0.7, 0.3, 0.9]
data = TensorDataset(images, labels)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()
for epoch in range(3):
    for i, (x, y) in enumerate(DataLoader(data, batch_size=4, shuffle=True)):
        lam, order = {weight}, {order}
        {mixed}
        {loss}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def rate(change: str, before: str = "", **parts: str) -> str:
    usual = {"rate": "0.1", "after": "", "shown": "pass"}
    return RATE.format(change=change, before=before, **(usual | parts))


def rate_in_a_function(change: str) -> str:
    return RATE_IN_A_FUNCTION.format(change=change)


def agent(target: str, read: str = "s, a, r, s2, done = self.sample()") -> str:
    return AGENT.format(target=target, read=read)


def mixed(mixed: str, loss: str = "loss = criterion(net(x), y)", **parts: str) -> str:
    usual = {"weight": "weights[i]", "order": "torch.randperm(len(x))"}
    return MIXED.format(mixed=mixed, loss=loss, **(usual | parts))


LINEAR = "x = lam * x + (1 - lam) * x[order]"
BEST = "self.fixed(s2).max(1).values"
BROKEN = {
    "rate_only_in_a_variable": rate(f"if epoch == 2:\n        lr *= 0.1{MARK}"),
    "rate_only_in_a_variable.function": rate_in_a_function(
        f"rate = 0.05 * math.cos(math.pi * epoch / epochs / 2){MARK}\n"
        '        print(f"{epoch}: {rate}")'
    ),
    "future_after_the_end": agent(f"y = r + 0.9 * {BEST}{MARK}"),
    "future_after_the_end.two_lines": agent(
        f"best = self.fixed(s2).max(dim=1)[0].detach(){MARK}\n            y = best * 0.9 + r",
        read="batch = self.sample()\n        s, a, r, s2, terminal = batch",
    ),
    "labels_not_mixed": mixed(LINEAR, f"loss = criterion(net(x), y){MARK}"),
    "labels_not_mixed.pasted": mixed(
        "x = x.clone()\n        x[:, :, :5] = x[order][:, :, :5]",
        f"loss = F.cross_entropy(net(x), y){MARK}",
    ),
    "labels_not_mixed.lerp": mixed(
        "x = torch.lerp(x, x.flip(0), 1 - lam)", f"loss = F.cross_entropy(net(x), y){MARK}"
    ),
}
KINDS = {
    "rate_only_in_a_variable": "training/not_learning",
    "future_after_the_end": "training/not_learning",
    "labels_not_mixed": "data/pairs_out_of_order",
}
GROUPS = "for group in optimizer.param_groups:\n        group['lr'] = "
ADJUST = """
def adjust(groups):
    for group in groups:
        group["lr"] = lr
"""
HEALTHY = {
    "rate_in_groups": rate(f"lr *= 0.5\n    {GROUPS}lr"),
    "rate_in_groups.twice": rate(f"lr *= 0.5\n    {GROUPS}group['lr'] * 0.5"),
    "rate_in_groups.function": rate(
        "lr *= 0.5; adjust(getattr(optimizer, 'param_' + 'groups'))", before=ADJUST
    ),
    "rate_given_to_a_function": rate(
        "lr *= 0.5; change(lr)",
        after="def change(rate):\n    vars(optimizer)['param_' + 'groups'][0]['lr'] = rate\n",
    ),
    "rate_that_is_read_back": rate(
        "pass", shown="lr = optimizer.state_dict()['param_groups'][0]['lr']; print(lr)"
    ),
    "rate_of_a_scheduler": rate(
        "pass",
        after="scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)",
        shown="scheduler.step(); lr = scheduler.get_last_lr()[0]; print(lr)",
    ),
    "rate_beside_a_scheduler": rate(
        "pass",
        after="scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)",
        shown="scheduler.step(); lr *= 0.5; print(lr)",
    ),
    "new_optimizer": rate(
        "if epoch == 2:\n        lr *= 0.1\n"
        "        optimizer = torch.optim.SGD(net.parameters(), lr=lr)"
    ),
    "rate_is_a_tensor": rate("lr *= 0.5", rate="torch.tensor(0.1)"),
    "rate_of_an_update_by_hand": rate(
        "lr *= 0.5\n    with torch.no_grad():\n        net.head.bias.add_(lr)"
    ),
    "rate_that_stays": rate("print(lr)"),
    "rates_of_several_runs": rate("pass").replace(
        "for epoch", "for lr in (0.1, 0.01):\n    print(lr)\nfor epoch"
    ),
    "rate_in_a_function_that_returns_it": rate_in_a_function(
        "rate *= 0.9\n        if rate < 1e-4:\n            break"
    ),
    "future_masked": agent(f"y = r + 0.9 * {BEST} * (1 - done)"),
    "future_masked.later": agent(
        f"best = {BEST}\n            best[done.bool()] = 0.0\n            y = r + 0.9 * best"
    ),
    "future_masked.where": agent(f"y = torch.where(done > 0, r, r + 0.9 * {BEST})"),
    "future_masked.before": agent(
        f"y = r + 0.9 * {BEST}",
        read="s, a, r, s2, done = self.sample()\n        s2 = s2 * (1 - done)[:, None]",
    ),
    "discounts_of_each_sample": agent(
        f"y = r + gammas * {BEST}",
        read="s, a, r, s2, done = self.sample()\n        gammas = 0.9 * (1 - done)",
    ),
    "no_ends_in_the_memory": agent(f"y = r + 0.9 * {BEST}", read="s, a, r, s2 = self.sample()[:4]"),
    "ends_left_out_on_purpose": agent(
        f"y = r + 0.9 * {BEST}", read="s, a, r, s2, _ = self.sample()"
    ),
    "bandit": agent("y = r", read="s, a, r, s2, done = self.sample()"),
    "game_without_end": PLAYED.replace("{{}}", "{}"),
    "labels_mixed": mixed(
        LINEAR,
        "scores = net(x)\n"
        "        loss = lam * criterion(scores, y) + (1 - lam) * criterion(scores, y[order])",
    ),
    "labels_mixed.soft": mixed(
        LINEAR,
        "one_hot = F.one_hot(y, 4).float()\n"
        "        y = lam * one_hot + (1 - lam) * one_hot[order]\n"
        "        loss = criterion(net(x), y)",
    ),
    "labels_mixed.by_hand": mixed(
        LINEAR,
        "scores = net(x)\n        other = -scores.log_softmax(1)[range(len(x)), y[order]].mean()\n"
        "        loss = lam * criterion(scores, y) + (1 - lam) * other",
    ),
    "labels_mixed.list": mixed(
        LINEAR,
        "scores = net(x)\n        other = y[order.tolist()]\n"
        "        (criterion(scores, y) * lam).backward(retain_graph=True)\n"
        "        loss = (1 - lam) * criterion(scores, other)",
    ),
    "labels_mixed.dominant": mixed(
        LINEAR,
        "y = y if lam >= 0.5 else y[order]\n        loss = criterion(net(x), y)",
    ),
    "labels_mixed.larger_weight": mixed(LINEAR, weight="max(weights[i], 1 - weights[i])"),
    "labels_mixed.half": mixed("x = (x + x[order]) / 2"),
    "other_image_as_noise": mixed("x = x + 0.3 * x[order]"),
    "mixed_with_an_augmented_copy": mixed("x = lam * x + (1 - lam) * x.flip(3)"),
    "patch_pasted": mixed("x = x.clone()\n        x[:, :, :2, :2] = x[order][:, :, :2, :2]"),
    "mixed_for_consistency": mixed(
        LINEAR,
        "with torch.no_grad():\n            guessed = net(x).argmax(1)\n"
        "        loss = criterion(net(x), guessed)",
    ),
    "only_half_of_the_loss": mixed(
        LINEAR, "loss = criterion(net(x), y) + 0.0 * net(x).square().mean()"
    ),
}


class TestPrograms(ProgramChecks):
    pass
