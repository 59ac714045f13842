"""A curriculum: the data loader yields easy samples first, then all of them."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, SubsetRandomSampler


class Digits(Dataset):
    """Patterns with noise; `difficulty` is the noise of a sample."""

    def __init__(self, count, classes=3):
        self.patterns = (torch.rand(classes, 1, 6, 6) > 0.5).float()
        self.labels = torch.arange(count) % classes
        self.difficulty = torch.linspace(0.05, 1.0, count)[torch.randperm(count)]
        noise = torch.randn(count, 1, 6, 6)
        self.images = self.patterns[self.labels] + self.difficulty.view(-1, 1, 1, 1) * noise

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]

    def easier_than(self, limit):
        return (self.difficulty <= limit).nonzero().flatten().tolist()


class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3)
        self.conv2 = nn.Conv2d(6, 12, 3)
        self.fc = nn.Linear(12 * 2 * 2, classes)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        return self.fc(torch.flatten(x, 1))


def stages():
    yield 0.35, 2
    yield 0.7, 2
    yield 1.0, 2


torch.manual_seed(0)
data = Digits(72)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
net.train()
for limit, epochs in stages():
    sampler = SubsetRandomSampler(data.easier_than(limit))
    loader = DataLoader(data, batch_size=12, sampler=sampler)
    for _ in range(epochs):
        total, count = 0.0, 0
        for images, labels in loader:
            loss = nn.functional.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            count += len(labels)
    print(f"noise up to {limit}: {count} samples, loss {total / count:.3f}")
