"""A U-Net with skip connections and a Dice plus cross-entropy loss."""

import torch
from torch import nn
from torch.nn import functional as F


class DoubleConv(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    def __init__(self, channels=1, classes=3, widths=(8, 16)):
        super().__init__()
        self.down1 = DoubleConv(channels, widths[0])
        self.down2 = DoubleConv(widths[0], widths[1])
        self.up = nn.ConvTranspose2d(widths[1], widths[0], 2, stride=2)
        self.merge = DoubleConv(2 * widths[0], widths[0])
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x):
        skip = self.down1(x)
        x = self.up(self.down2(F.max_pool2d(skip, 2)))
        height, width = skip.shape[-2:]
        x = F.pad(x, (0, width - x.size(-1), 0, height - x.size(-2)))
        return self.head(self.merge(torch.cat([skip, x], dim=1)))


class DiceLoss(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, target):
        probability = logits.softmax(dim=1)
        wanted = F.one_hot(target, logits.size(1)).movedim(-1, 1).float()
        overlap = (probability * wanted).sum(dim=(0, 2, 3))
        total = (probability + wanted).sum(dim=(0, 2, 3))
        return 1 - ((2 * overlap + self.smooth) / (total + self.smooth)).mean()


def shapes(count, side=13):
    masks = torch.zeros(count, side, side, dtype=torch.long)
    for mask in masks:
        top, left = torch.randint(0, side - 5, (2,)).tolist()
        mask[top : top + 5, left : left + 5] = int(torch.randint(1, 3, ()))
    images = masks.float().unsqueeze(1) / 2
    return images + 0.1 * torch.randn_like(images), masks


@torch.no_grad()
def mean_iou(model, images, masks, classes=3):
    model.eval()
    predicted = model(images).argmax(dim=1)
    scores = []
    for label in range(classes):
        both = ((predicted == label) & (masks == label)).sum()
        either = ((predicted == label) | (masks == label)).sum()
        if either > 0:
            scores.append((both / either).item())
    return sum(scores) / len(scores)


torch.manual_seed(0)
model, dice, entropy = UNet(), DiceLoss(), nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(8):
    model.train()
    images, masks = shapes(6)
    logits = model(images)
    loss = dice(logits, masks) + entropy(logits, masks)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, IoU {mean_iou(model, *shapes(6)):.2f}")
