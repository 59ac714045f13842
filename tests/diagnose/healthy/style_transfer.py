"""Neural style transfer: the image is optimized, the network is fixed."""

import torch
from torch import nn


class Features(nn.Module):
    """The activations of two layers of a fixed network."""

    def __init__(self):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.high = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.requires_grad_(False)

    def forward(self, x):
        low = self.low(x)
        return low, self.high(low)


def gram(features):
    batch, channels, height, width = features.shape
    flat = features.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


class StyleTransfer:
    def __init__(self, content, style, style_weight=10.0):
        self.network = Features().eval()
        self.style_weight = style_weight
        with torch.no_grad():
            self.content = self.network(content)[-1]
            self.styles = [gram(f) for f in self.network(style)]
        self.image = content.clone().requires_grad_(True)
        self.optimizer = torch.optim.Adam([self.image], lr=0.02)

    def step(self):
        found = self.network(self.image)
        loss = (found[-1] - self.content).square().mean()
        for features, wanted in zip(found, self.styles):
            loss = loss + self.style_weight * (gram(features) - wanted).square().sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.image.clamp_(0, 1)
        return loss.item()


torch.manual_seed(0)
transfer = StyleTransfer(torch.rand(1, 3, 12, 12), torch.rand(1, 3, 12, 12))
losses = [transfer.step() for _ in range(8)]
print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}")
