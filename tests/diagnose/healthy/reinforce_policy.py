"""REINFORCE with a baseline: the gradient is that of log probabilities weighted by returns."""

import torch
from torch import nn
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self, observations=3, actions=2, hidden=16):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(observations, hidden), nn.Tanh(), nn.Linear(hidden, actions)
        )

    def forward(self, observation):
        return Categorical(logits=self.net(observation))


class Corridor:
    """Walk to the right end; a step costs, the end pays."""

    length = 5

    def reset(self):
        self.position, self.time = 1, 0
        return self.observe()

    def observe(self):
        return torch.tensor([self.position / self.length, self.time / 15, 1.0])

    def step(self, action):
        self.position = max(0, self.position + (1 if action == 1 else -1))
        self.time += 1
        arrived = self.position >= self.length
        return self.observe(), (10.0 if arrived else -0.5), arrived or self.time >= 15


def episode(env, policy):
    observation, done = env.reset(), False
    log_probabilities, rewards = [], []
    while not done:
        choice = policy(observation)
        action = choice.sample()
        log_probabilities.append(choice.log_prob(action))
        observation, reward, done = env.step(action.item())
        rewards.append(reward)
    return torch.stack(log_probabilities), rewards


def discounted(rewards, gamma=0.97):
    total, result = 0.0, []
    for reward in reversed(rewards):
        total = reward + gamma * total
        result.append(total)
    return torch.tensor(result[::-1])


torch.manual_seed(0)
env, policy, baseline = Corridor(), Policy(), 0.0
optimizer = torch.optim.Adam(policy.parameters(), lr=2e-2)
for _ in range(15):
    log_probabilities, rewards = episode(env, policy)
    returns = discounted(rewards)
    loss = -(log_probabilities * (returns - baseline)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    baseline = 0.9 * baseline + 0.1 * returns.mean().item()
print(f"last return {sum(rewards):.1f}")
