"""Advantages that are carried from one episode into another."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
ROLLOUT = """
policy = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
gamma, lam = 0.99, 0.95

def rollout(steps=16):
    states, actions, rewards, values, dones = [], [], [], [], []
    state = torch.randn(3)
    for step in range(steps):
        with torch.no_grad():
            out = policy(state)
        action = int(torch.randint(2, ()))
        states.append(state)
        actions.append(action)
        values.append(out[2])
        rewards.append(float(action))
        dones.append({ends})
        state = torch.randn(3)
    with torch.no_grad():
        last = policy(state)[2]
{estimate}
    return torch.stack(states), torch.tensor(actions), torch.stack(advantages).detach()

for update in range(4):
    states, actions, advantages = rollout()
    log_probs = policy(states)[:, :2].log_softmax(1)
    chosen = log_probs[torch.arange(len(actions)), actions]
    optimizer.zero_grad()
    loss = -(chosen * advantages).mean() + policy(states)[:, 2].pow(2).mean()
    loss.backward()
    optimizer.step()
"""


def rollout(*lines: str, ends: str = "step % 5 == 4") -> str:
    estimate = "\n".join(f"    {line}" for line in lines)
    return ROLLOUT.format(estimate=estimate, ends=ends)


START = ("gae, advantages = torch.zeros(()), []", "values.append(last)")
DELTA = "    delta = rewards[t] + gamma * values[t + 1] * (1 - dones[t]) - values[t]"
BACK = "for t in reversed(range(len(rewards))):"
KEEP = "    advantages.insert(0, gae)"
BROKEN = {
    "advantage_crosses_episodes": rollout(
        *START, BACK, DELTA, f"    gae = delta + gamma * lam * gae{MARK}", KEEP
    ),
    "advantage_crosses_episodes.zip": rollout(
        "gae, advantages, following = torch.zeros(()), [], last",
        "for r, v, done in zip(rewards[::-1], values[::-1], dones[::-1]):",
        f"    gae = gae * gamma * lam{MARK}",
        "    gae = gae + r + gamma * following * (1 - done) - v",
        "    following = v",
        KEEP,
    ),
    "advantage_crosses_episodes.named_mask": rollout(
        *START,
        "for t in range(len(rewards) - 1, -1, -1):",
        "    not_done = 1.0 - dones[t]",
        "    delta = rewards[t] + gamma * not_done * values[t + 1] - values[t]",
        f"    gae = gamma * lam * gae + delta{MARK}",
        KEEP,
    ),
    "advantage_crosses_episodes.masks": rollout(
        *START,
        "masks = [1.0 - done for done in dones]",
        BACK,
        "    delta = rewards[t] + gamma * values[t + 1] * masks[t] - values[t]",
        f"    gae = delta + (gamma * lam) * gae{MARK}",
        KEEP,
    ),
}
HEALTHY = {
    "masked": rollout(
        *START, BACK, DELTA, "    gae = delta + gamma * lam * (1 - dones[t]) * gae", KEEP
    ),
    "masked_by_name": rollout(
        *START,
        BACK,
        "    alive = 1.0 - dones[t]",
        "    delta = rewards[t] + gamma * values[t + 1] * alive - values[t]",
        "    gae = delta + gamma * lam * alive * gae",
        KEEP,
    ),
    "masked_discount": rollout(
        *START,
        BACK,
        "    discount = gamma * (1 - dones[t])",
        "    delta = rewards[t] + discount * values[t + 1] - values[t]",
        "    gae = delta + discount * lam * gae",
        KEEP,
    ),
    "reset_first": rollout(
        *START,
        BACK,
        DELTA,
        "    gae = gae * (1 - dones[t])",
        "    gae = delta + gamma * lam * gae",
        KEEP,
    ),
    "reset_by_condition": rollout(
        *START,
        BACK,
        "    if dones[t]:",
        "        gae = torch.zeros(())",
        DELTA,
        "    gae = delta + gamma * lam * gae",
        KEEP,
    ),
    "reset_by_where": rollout(
        *START,
        BACK,
        DELTA,
        "    gae = torch.where(torch.tensor(dones[t]), torch.zeros(()), gae)",
        "    gae = delta + gamma * lam * gae",
        KEEP,
    ),
    "one_episode": rollout(
        *START, BACK, DELTA, "    gae = delta + gamma * lam * gae", KEEP, ends="step == steps - 1"
    ),
    "task_without_end": rollout(
        *START, BACK, DELTA, "    gae = delta + gamma * lam * gae", KEEP, ends="False"
    ),
    "episode_by_episode": rollout(
        "advantages, begin = [], 0",
        "values.append(last)",
        "bounds = [t + 1 for t, done in enumerate(dones) if done] + [len(dones)]",
        "for end in bounds:",
        "    gae, own = torch.zeros(()), []",
        "    for t in reversed(range(begin, end)):",
        "        delta = rewards[t] + gamma * values[t + 1] * (1 - dones[t]) - values[t]",
        "        gae = delta + gamma * lam * gae",
        "        own.insert(0, gae)",
        "    advantages, begin = advantages + own, end",
    ),
    "forward_average": rollout(
        *START,
        BACK,
        DELTA,
        "    gae = delta",
        KEEP,
        "average = 0.0",
        "for reward in rewards:",
        "    average = 0.9 * average + 0.1 * reward",
    ),
}
KINDS = {"advantage_crosses_episodes": "loss/wrong_loss"}


class TestPrograms(ProgramChecks):
    pass
