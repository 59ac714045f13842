"""Lists and arrays that are stored several times and changed in place."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
AGENT = """
import random
from collections import deque

class Agent:
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01)
        self.replay = deque(maxlen=20)
        self.episode = []

    def play(self):
        {begin}
        for step in range(3):
            state = torch.randn(3)
            self.episode.append((state, random.random()))
        {store}

    def learn(self):
        rows = [one for episode in list(self.replay)[-4:] for one in {read}]
        states, rewards = zip(*rows)
        self.optimizer.zero_grad()
        values = self.net(torch.stack(states)).amax(1)
        F.mse_loss(values, torch.tensor(rewards)).backward()
        self.optimizer.step()

agent = Agent()
for number in range(12):
    agent.play()
    agent.learn()
"""
FUNCTION = """
def main():
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    history, losses = [], []
    for epoch in range(5):
        {begin}
        for x, y in zip(images.split(8), labels.split(8)):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        {store}
    print(history)

main()
"""


WALK = """
import numpy as np

class World:
    def __init__(self):
        self.state = np.zeros(3, dtype=np.float32)

    def step(self):
        self.state += np.random.randn(3).astype(np.float32)
        return {result}

def collect(world, count=12):
    states = []
    for _ in range(count):
        state = world.step()
        {store}
        torch.tensor(1.0).add(1).mul(2).sub(1)
    return torch.from_numpy(np.stack([one if len(one) == 3 else one[0] for one in states]))

net = nn.Linear(3, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(6):
    states = collect(World())
    optimizer.zero_grad()
    net(states).pow(2).mean().backward()
    optimizer.step()
"""
HISTORY = """
net, history, moving = nn.Linear(3, 2), [], torch.zeros(2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(20):
    optimizer.zero_grad()
    out = net(torch.randn(4, 3))
    out.pow(2).mean().backward()
    optimizer.step()
    {change}
    {store}
print(torch.stack(history).std(0))
"""


def agent(
    begin: str, store: str = "self.replay.append(self.episode)", read: str = "episode"
) -> str:
    return AGENT.format(begin=begin, store=store, read=read)


def function(begin: str, store: str) -> str:
    return FUNCTION.format(begin=begin, store=store)


BROKEN = {
    "stored_list_is_cleared": agent(f"self.episode.clear(){MARK}"),
    "stored_list_is_cleared.tuple": agent(
        f"del self.episode[:]{MARK}", "self.replay.append((self.episode, 1.0))", "episode[0]"
    ),
    "stored_list_is_cleared.emptied": agent(f"self.episode[:] = []{MARK}"),
    "stored_list_is_cleared.function": function(
        "pass", f"history.append(losses)\n        losses.clear(){MARK}"
    ),
}
BROKEN |= {
    "stored_array_changes": WALK.format(result="self.state", store=f"states.append(state){MARK}"),
    "stored_array_changes.transition": WALK.format(
        result="self.state", store=f"states.append((state, 1.0)){MARK}"
    ),
    "stored_array_changes.tensor": HISTORY.format(
        change="moving.mul_(0.9).add_(out.detach().mean(0), alpha=0.1)",
        store=f"history.append(moving){MARK}",
    ),
}
HEALTHY = {
    "array.copied": WALK.format(result="self.state.copy()", store="states.append(state)"),
    "array.copied_when_stored": WALK.format(
        result="self.state", store="states.append(np.array(state))"
    ),
    "array.constant": WALK.format(
        result="self.state * 1", store="states.append((state, labels.numpy()))"
    ),
    "tensor.new": HISTORY.format(
        change="moving = 0.9 * moving + 0.1 * out.detach().mean(0)", store="history.append(moving)"
    ),
    "tensor.cloned": HISTORY.format(
        change="moving.mul_(0.9).add_(out.detach().mean(0), alpha=0.1)",
        store="history.append(moving.clone())",
    ),
    "tensor.of_the_parameters": HISTORY.format(
        change="watched = [net.weight, net.weight, net.bias]",
        store="history.append(watched[2].detach().clone())",
    ),
    "array.shared_on_purpose": HISTORY.format(
        change="shared = [moving] * 4\n    moving += out.detach().mean(0)",
        store="history.append(sum(shared))",
    ),
    "new_list": agent("self.episode = []"),
    "copied": agent("self.episode.clear()", "self.replay.append(list(self.episode))"),
    "copied_by_slice": agent("self.episode.clear()", "self.replay.append(self.episode[:])"),
    "tuple_of_it": agent("self.episode.clear()", "self.replay.append(tuple(self.episode))"),
    "extended": agent(
        "self.episode.clear()", "self.replay.extend([one] for one in self.episode)", "episode"
    ),
    "means_of_a_cleared_list": function(
        "losses.clear()", "history.append(sum(losses) / len(losses))"
    ),
    "list_of_the_epoch": function("losses = []", "history.append(losses)"),
    "one_list_in_several_places": """
net, log = Net(), []
outputs = [log] * 3
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(6):
    log.clear()
    for part in outputs:
        part.append(step)
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "registered_once": """
net, log, meters = Net(), [], []
meters.append(log)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(6):
    log.clear()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    log.append(loss.item())
    optimizer.step()
print(meters)
""",
}
KINDS = {"stored_list_is_cleared": "data", "stored_array_changes": "data"}


class TestPrograms(ProgramChecks):
    pass
