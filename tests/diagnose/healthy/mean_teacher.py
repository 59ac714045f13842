"""Semi-supervised learning: a teacher, the average of the student, labels the rest."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2))

    def forward(self, x):
        return self.body(x)


def rings(count):
    labels = torch.randint(0, 2, (count,))
    radius = 0.5 + labels + 0.1 * torch.randn(count)
    angle = 2 * torch.pi * torch.rand(count)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1), labels


@torch.no_grad()
def update_teacher(teacher, student, step):
    decay = min(1 - 1 / (step + 1), 0.95)
    for ours, theirs in zip(student.parameters(), teacher.parameters(), strict=True):
        theirs.lerp_(ours, 1 - decay)


def consistency(student, teacher, x):
    with torch.no_grad():
        wanted = teacher(x + 0.05 * torch.randn_like(x)).softmax(dim=1)
    return F.mse_loss(student(x + 0.05 * torch.randn_like(x)).softmax(dim=1), wanted)


def main():
    torch.manual_seed(0)
    labeled, unlabeled = rings(12), rings(120)[0]
    student = Net()
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
    for step in range(60):
        student.train()
        teacher.train()  # with dropout: the labels of the teacher are noisy as well
        ramp = min(1.0, step / 10)
        supervised = F.cross_entropy(student(labeled[0]), labeled[1])
        loss = supervised + 5 * ramp * consistency(student, teacher, unlabeled)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_teacher(teacher, student, step)
    teacher.eval()
    x, y = rings(200)
    with torch.no_grad():
        accuracy = (teacher(x).argmax(dim=1) == y).float().mean()
    print(f"loss {loss.item():.3f}, accuracy of the teacher {accuracy:.2f}")


if __name__ == "__main__":
    main()
