"""Train a generator of small images against a critic."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Conv2d(4, 3, 3, padding=1), nn.Tanh())
        self.critic = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 1, kernel_size=3),
        )

    def forward(self, noise):
        return self.critic(self.generator(noise))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 4, 8, 8),)


def run(net, noise):
    critic_sgd = torch.optim.SGD(net.critic.parameters(), lr=0.01)
    generator_sgd = torch.optim.SGD(net.generator.parameters(), lr=0.01)
    images = net.generator(noise)
    scores = net.critic(images.detach())
    critic_loss = bce(scores, torch.zeros_like(scores))
    critic_loss.backward()
    critic_sgd.step()
    net.zero_grad()
    scores = net.critic(images)
    generator_loss = bce(scores, torch.ones_like(scores))
    generator_loss.backward()
    generator_sgd.step()
    return generator_loss


if __name__ == "__main__":
    run(Net(), *example_inputs())
