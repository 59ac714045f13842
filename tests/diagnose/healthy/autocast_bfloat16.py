"""Train under CPU autocast in bfloat16; metrics and the loss in float32."""

import torch
from torch import nn


class ConvBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return nn.functional.hardswish(self.norm(self.pointwise(self.depthwise(x))))


class MobileLike(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(ConvBlock(8, 12), ConvBlock(12, 16))
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


def colors(count):
    labels = torch.randint(0, 3, (count,))
    images = torch.rand(count, 3, 10, 10)
    images[torch.arange(count), labels] += 0.7
    return images, labels


def train_step(model, optimizer, images, labels):
    model.train()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images)
    loss = nn.functional.cross_entropy(logits.float(), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.inference_mode()
def evaluate(model, images, labels):
    model.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images)
    return (logits.float().argmax(dim=-1) == labels).float().mean().item()


torch.manual_seed(0)
model = MobileLike()
optimizer = torch.optim.RAdam(model.parameters(), lr=1e-2)
for _ in range(30):
    loss = train_step(model, optimizer, *colors(16))
print(f"loss {loss:.3f}, accuracy {evaluate(model, *colors(32)):.2f}")
