"""A Siamese network: one encoder is applied to both images of a pair; contrastive loss."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    """Two images and whether they show the same pattern."""

    def __init__(self, patterns, count):
        self.patterns = patterns
        self.first = torch.randint(0, len(patterns), (count,))
        other = torch.randint(1, len(patterns), (count,))
        self.same = torch.rand(count) < 0.5
        self.second = torch.where(self.same, self.first, (self.first + other) % len(patterns))

    def __len__(self):
        return len(self.same)

    def __getitem__(self, index):
        first, second = self.patterns[self.first[index]], self.patterns[self.second[index]]
        noisy = [image + 0.2 * torch.randn_like(image) for image in (first, second)]
        return *noisy, self.same[index].float()


class Siamese(nn.Module):
    def __init__(self, size=6):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, size)
        )

    def forward(self, first, second):
        return nn.functional.pairwise_distance(self.encoder(first), self.encoder(second))


def contrastive_loss(distance, same, margin=1.0):
    apart = (margin - distance).clamp(min=0)
    return (same * distance.square() + (1 - same) * apart.square()).mean()


def main():
    torch.manual_seed(0)
    patterns = (torch.rand(5, 1, 6, 6) > 0.5).float()
    loader = DataLoader(Pairs(patterns, 64), batch_size=16, shuffle=True)
    model = Siamese()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(4):
        for first, second, same in loader:
            loss = contrastive_loss(model(first, second), same)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for first, second, same in DataLoader(Pairs(patterns, 32), batch_size=16):
            correct += ((model(first, second) < 0.5) == same.bool()).sum().item()
    print(f"loss {loss.item():.3f}, accuracy {correct / 32:.2f}")


main()
