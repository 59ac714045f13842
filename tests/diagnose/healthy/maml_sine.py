"""Model-agnostic meta-learning on sine waves: gradients through an inner step of learning."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

INNER_LR, TASKS, SHOTS = 0.01, 3, 6


def make_net():
    return nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))


def sample_task():
    """Return the support and the query set of a wave of random phase and amplitude."""
    phase, amplitude = 3 * torch.rand(()), 0.5 + torch.rand(())
    x = 6 * torch.rand(2 * SHOTS, 1) - 3
    y = amplitude * torch.sin(x + phase)
    return (x[:SHOTS], y[:SHOTS]), (x[SHOTS:], y[SHOTS:])


def adapt(net, weights, x, y):
    loss = F.mse_loss(functional_call(net, weights, (x,)), y)
    grads = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
    return {name: w - INNER_LR * g for (name, w), g in zip(weights.items(), grads)}


def meta_train(net, iterations):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(iterations):
        meta_loss = torch.zeros(())
        for _ in range(TASKS):
            support, query = sample_task()
            fast = adapt(net, dict(net.named_parameters()), *support)
            meta_loss = meta_loss + F.mse_loss(functional_call(net, fast, (query[0],)), query[1])
        meta_loss = meta_loss / TASKS
        optimizer.zero_grad()
        meta_loss.backward()
        optimizer.step()
    return meta_loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    print(f"meta loss {meta_train(make_net(), 5):.3f}")
