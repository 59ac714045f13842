"""Proximal policy optimization: several epochs over one rollout, with old log probabilities."""

import torch
from torch import nn
from torch.distributions import Normal


class Agent(nn.Module):
    def __init__(self, observations=2, hidden=16):
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(observations, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.log_std = nn.Parameter(torch.zeros(1))
        self.value = nn.Sequential(nn.Linear(observations, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def policy(self, observation):
        return Normal(self.mean(observation), self.log_std.exp())


def environment(observation, action):
    position, goal = observation.unbind(dim=1)
    position = (position + 0.3 * action.squeeze(1).clamp(-1, 1)).clamp(-2, 2)
    return torch.stack([position, goal], dim=1), -(position - goal).abs()


@torch.no_grad()
def collect(agent, batch=16, horizon=8, gamma=0.9):
    observation = torch.rand(batch, 2) * 2 - 1
    observations, actions, log_probabilities, rewards = [], [], [], []
    for _ in range(horizon):
        choice = agent.policy(observation)
        action = choice.sample()
        observations.append(observation)
        actions.append(action)
        log_probabilities.append(choice.log_prob(action))
        observation, reward = environment(observation, action)
        rewards.append(reward)
    future = agent.value(observation).squeeze(1)
    returns = []
    for reward in reversed(rewards):
        future = reward + gamma * future
        returns.append(future)
    flat = [torch.cat(parts) for parts in (observations, actions, log_probabilities, returns[::-1])]
    return flat, torch.stack(rewards).mean().item()


def update(agent, optimizer, data, epochs=3, clip=0.2):
    observations, actions, old, returns = data
    with torch.no_grad():
        advantages = returns - agent.value(observations).squeeze(1)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    for _ in range(epochs):
        for rows in torch.randperm(len(actions)).split(64):
            ratio = (agent.policy(observations[rows]).log_prob(actions[rows]) - old[rows]).exp()
            gain = advantages[rows].unsqueeze(1)
            objective = torch.min(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain).mean()
            value_loss = (
                (agent.value(observations[rows]).squeeze(1) - returns[rows]).square().mean()
            )
            loss = 0.5 * value_loss - objective
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()


torch.manual_seed(0)
agent = Agent()
optimizer = torch.optim.Adam(agent.parameters(), lr=3e-3, eps=1e-5)
for _ in range(5):
    data, reward = collect(agent)
    update(agent, optimizer, data)
print(f"mean reward {reward:.2f}")
