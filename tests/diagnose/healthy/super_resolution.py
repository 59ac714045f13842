"""Sub-pixel super-resolution: PixelShuffle on top of a bicubic baseline."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class Textures(Dataset):
    """Pairs of an image and its version at half the resolution."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand(count, 1, 4, 4, generator=generator)
        self.large = F.interpolate(coarse, size=16, mode="bilinear", align_corners=False)

    def __len__(self):
        return len(self.large)

    def __getitem__(self, index):
        large = self.large[index]
        return F.avg_pool2d(large, 2), large


class ESPCN(nn.Module):
    def __init__(self, factor=2, width=12):
        super().__init__()
        self.factor = factor
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(width, factor**2, 3, padding=1),
            nn.PixelShuffle(factor),
        )

    def forward(self, x):
        base = F.interpolate(x, scale_factor=self.factor, mode="bicubic", align_corners=False)
        return base + self.body(x)


class Charbonnier(nn.Module):
    def forward(self, found, wanted):
        return torch.sqrt((found - wanted).square() + 1e-6).mean()


def main():
    torch.manual_seed(0)
    train = DataLoader(Textures(32, seed=1), batch_size=8, shuffle=True)
    valid = DataLoader(Textures(8, seed=2), batch_size=8)
    model, criterion = ESPCN(), Charbonnier()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(3):
        model.train()
        for small, large in train:
            loss = criterion(model(small), large)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        error = sum(F.mse_loss(model(small), large).item() for small, large in valid) / len(valid)
    print(f"loss {loss.item():.4f}, validation error {error:.5f}")


main()
