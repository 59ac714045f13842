"""Advantage actor-critic with a shared body, an entropy bonus and several environments."""

import torch
import torch.nn.functional as F
from torch import nn

GAMMA, ENVIRONMENTS, HORIZON = 0.95, 6, 5


class ActorCritic(nn.Module):
    def __init__(self, observations=4, actions=3, hidden=24):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(observations, hidden), nn.ReLU())
        self.actor = nn.Linear(hidden, actions)
        self.critic = nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.actor.weight, gain=0.01)

    def forward(self, state):
        hidden = self.body(state)
        return self.actor(hidden), self.critic(hidden).squeeze(-1)


def environment(state, action):
    """Reward the action whose number is that of the largest of three features."""
    reward = (action == state[:, :3].argmax(dim=1)).float()
    return torch.randn_like(state), reward


def rollout(model, state):
    log_probabilities, values, rewards, entropies = [], [], [], []
    for _ in range(HORIZON):
        logits, value = model(state)
        choice = torch.distributions.Categorical(logits=logits)
        action = choice.sample()
        state, reward = environment(state, action)
        log_probabilities.append(choice.log_prob(action))
        entropies.append(choice.entropy())
        values.append(value)
        rewards.append(reward)
    with torch.no_grad():
        future = model(state)[1]
    returns = []
    for reward in reversed(rewards):
        future = reward + GAMMA * future
        returns.insert(0, future)
    stacked = map(torch.stack, (log_probabilities, values, returns, entropies))
    return (*stacked, state, torch.stack(rewards).mean().item())


def main():
    torch.manual_seed(0)
    model = ActorCritic()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    state = torch.randn(ENVIRONMENTS, 4)
    for _ in range(12):
        log_probabilities, values, returns, entropies, state, reward = rollout(model, state)
        advantage = returns - values
        policy_loss = -(log_probabilities * advantage.detach()).mean()
        value_loss = F.mse_loss(values, returns)
        loss = policy_loss + 0.5 * value_loss - 0.01 * entropies.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    print(f"mean reward {reward:.2f}")


if __name__ == "__main__":
    main()
