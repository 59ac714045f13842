"""Sets of different sizes: padded, masked, and summed, so that the order does not matter."""

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, IterableDataset


class SetsOfNumbers(IterableDataset):
    """An endless stream of sets; the target is the largest minus the smallest number."""

    def __init__(self, seed):
        self.seed = seed

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            size = int(torch.randint(2, 7, (), generator=generator))
            numbers = torch.rand(size, 1, generator=generator)
            yield numbers, numbers.max() - numbers.min()


def collate(samples):
    sets, targets = zip(*samples)
    sizes = torch.tensor([len(s) for s in sets])
    padded = pad_sequence(sets, batch_first=True)
    mask = torch.arange(padded.size(1)) < sizes.unsqueeze(1)
    return padded, mask, torch.stack(targets)


class DeepSet(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.each = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.all = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x, mask):
        features = self.each(x)
        mask = mask.unsqueeze(-1)
        mean = (features * mask).sum(dim=1) / mask.sum(dim=1)
        largest = features.masked_fill(~mask, float("-inf")).amax(dim=1)
        return self.all(torch.cat([mean, largest], dim=1)).squeeze(1)


def main():
    torch.manual_seed(0)
    model = DeepSet()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    stream = iter(DataLoader(SetsOfNumbers(seed=1), batch_size=32, collate_fn=collate))
    model.train()
    for _ in range(20):
        x, mask, y = next(stream)
        loss = nn.functional.mse_loss(model(x, mask), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        x, mask, y = next(stream)
        error = (model(x, mask) - y).abs().mean()
    print(f"loss {loss.item():.4f}, error {error:.3f}")


if __name__ == "__main__":
    main()
