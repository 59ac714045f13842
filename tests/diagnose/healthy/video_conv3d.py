"""Classify the direction of motion in short clips with 3-D convolutions."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(outputs)
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Conv3d(inputs, outputs, 1, stride=stride)
        )

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)) + self.shortcut(x))


class MotionNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(1, 6, 1), Block(6, 6, 1), Block(6, 8, 2))
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(8, 2)

    def forward(self, clip):
        return self.head(self.pool(self.blocks(clip)).flatten(1))


def clips(count, frames=4, side=8):
    """A bar that moves right (0) or down (1)."""
    labels = torch.randint(0, 2, (count,))
    video = torch.zeros(count, 1, frames, side, side)
    for clip, label in zip(video, labels):
        start = int(torch.randint(0, side - frames, ()))
        for frame in range(frames):
            if label == 0:
                clip[0, frame, :, start + frame] = 1
            else:
                clip[0, frame, start + frame, :] = 1
    return video, labels


torch.manual_seed(0)
net = MotionNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=8)
loss_fn = nn.CrossEntropyLoss()
net.train()
for _ in range(8):
    video, labels = clips(8)
    loss = loss_fn(net(video), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()

net.eval()
with torch.no_grad():
    video, labels = clips(16)
    accuracy = (net(video).argmax(1) == labels).float().mean()
print(f"loss {loss.item():.3f}, accuracy {accuracy:.2f}")
