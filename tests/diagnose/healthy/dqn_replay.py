"""Deep Q-learning with a replay memory, a dueling head and a target network."""

import copy
import random
from collections import deque

import torch
import torch.nn.functional as F
from torch import nn


class Dueling(nn.Module):
    def __init__(self, states=4, actions=2, hidden=24):
        super().__init__()
        self.body = nn.Linear(states, hidden)
        self.value = nn.Linear(hidden, 1)
        self.advantage = nn.Linear(hidden, actions)

    def forward(self, state):
        hidden = F.relu(self.body(state))
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean(dim=-1, keepdim=True)


class Agent:
    def __init__(self, gamma=0.95):
        self.policy = Dueling()
        self.target = copy.deepcopy(self.policy).requires_grad_(False)
        self.optimizer = torch.optim.RMSprop(self.policy.parameters(), lr=1e-3)
        self.memory = deque(maxlen=200)
        self.gamma = gamma

    @torch.no_grad()
    def act(self, state, epsilon):
        if random.random() < epsilon:
            return random.randrange(2)
        return self.policy(state).argmax().item()

    def learn(self, size=16):
        states, actions, rewards, following, done = zip(*random.sample(self.memory, size))
        states, following = torch.stack(states), torch.stack(following)
        actions = torch.tensor(actions).unsqueeze(1)
        rewards, done = torch.tensor(rewards), torch.tensor(done)
        with torch.no_grad():
            future = self.target(following).amax(dim=1)
            wanted = rewards + self.gamma * future * (~done)
        found = self.policy(states).gather(1, actions).squeeze(1)
        loss = F.smooth_l1_loss(found, wanted)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.policy.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def synchronize(self):
        self.target.load_state_dict(self.policy.state_dict())


def environment(state, action):
    push = 0.3 if action else -0.3
    following = 0.9 * state + push * torch.tensor([1.0, 0.0, 0.0, 0.0]) + 0.05 * torch.randn(4)
    return following, float(following[0] > 0), bool(following[0].abs() > 2)


random.seed(0)
torch.manual_seed(0)
agent, state, loss = Agent(), torch.randn(4), float("nan")
for step in range(80):
    action = agent.act(state, epsilon=max(0.1, 1 - step / 50))
    following, reward, done = environment(state, action)
    agent.memory.append((state, action, reward, following, done))
    state = torch.randn(4) if done else following
    if len(agent.memory) >= 32 and step % 4 == 0:
        loss = agent.learn()
    if step % 20 == 0:
        agent.synchronize()
print(f"loss {loss:.3f}")
