"""Two generators and two discriminators, with an image pool and a cycle loss."""

import itertools
import random

import torch
from torch import nn


class ImagePool:
    """Return an older fake image half of the time, so that discriminators see their history."""

    def __init__(self, size=12):
        self.size = size
        self.images = []

    def query(self, batch):
        chosen = []
        for image in batch.detach():
            if len(self.images) < self.size:
                self.images.append(image)
                chosen.append(image)
            elif random.random() < 0.5:
                position = random.randrange(self.size)
                chosen.append(self.images[position])
                self.images[position] = image
            else:
                chosen.append(image)
        return torch.stack(chosen)


def generator():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.InstanceNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 3, 3, padding=1),
        nn.Tanh(),
    )


def discriminator():
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8, 1, 4, padding=1),
    )


class CycleGAN:
    def __init__(self):
        self.a_to_b, self.b_to_a = generator(), generator()
        self.judge_a, self.judge_b = discriminator(), discriminator()
        generators = itertools.chain(self.a_to_b.parameters(), self.b_to_a.parameters())
        judges = itertools.chain(self.judge_a.parameters(), self.judge_b.parameters())
        self.optimizer_g = torch.optim.Adam(generators, lr=2e-4, betas=(0.5, 0.999))
        self.optimizer_d = torch.optim.Adam(judges, lr=2e-4, betas=(0.5, 0.999))
        self.pool_a, self.pool_b = ImagePool(), ImagePool()
        self.adversarial, self.cycle = nn.MSELoss(), nn.L1Loss()

    def freeze_judges(self, frozen):
        for parameter in (*self.judge_a.parameters(), *self.judge_b.parameters()):
            parameter.requires_grad = not frozen

    def step(self, a, b):
        fake_b, fake_a = self.a_to_b(a), self.b_to_a(b)
        self.freeze_judges(True)
        score_a, score_b = self.judge_a(fake_a), self.judge_b(fake_b)
        loss = self.adversarial(score_a, torch.ones_like(score_a))
        loss = loss + self.adversarial(score_b, torch.ones_like(score_b))
        loss = loss + 10 * (self.cycle(self.b_to_a(fake_b), a) + self.cycle(self.a_to_b(fake_a), b))
        self.optimizer_g.zero_grad()
        loss.backward()
        self.optimizer_g.step()
        self.freeze_judges(False)
        self.optimizer_d.zero_grad()
        for judge, real, fake in (
            (self.judge_a, a, self.pool_a.query(fake_a)),
            (self.judge_b, b, self.pool_b.query(fake_b)),
        ):
            on_real, on_fake = judge(real), judge(fake)
            error = self.adversarial(on_real, torch.ones_like(on_real))
            error = error + self.adversarial(on_fake, torch.zeros_like(on_fake))
            (0.5 * error).backward()
        self.optimizer_d.step()
        return loss.item()


random.seed(0)
torch.manual_seed(0)
gan = CycleGAN()
for _ in range(4):
    photos, paintings = torch.rand(4, 3, 12, 12) * 2 - 1, torch.rand(4, 3, 12, 12).sqrt() * 2 - 1
    loss = gan.step(photos, paintings)
print(f"generators {loss:.3f}")
