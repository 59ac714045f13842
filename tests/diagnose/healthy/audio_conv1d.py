"""Classify waveforms with dilated 1-D convolutions; random shifts in the training part only."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Tones(Dataset):
    def __init__(self, count, augment, seed):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(0, 3, (count,), generator=generator)
        time = torch.arange(64) / 64
        pitch = 3.0 * (self.labels + 1)
        clean = torch.sin(2 * torch.pi * pitch[:, None] * time)
        self.waves = clean + 0.3 * torch.randn(count, 64, generator=generator)
        self.augment = augment

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        wave = self.waves[index]
        if self.augment:
            wave = torch.roll(wave, int(torch.randint(0, 64, ())))
        return wave.unsqueeze(0), self.labels[index]


class TCN(nn.Module):
    def __init__(self, classes=3, width=8):
        super().__init__()
        layers = []
        channels = 1
        for dilation in (1, 2, 4):
            layers += [
                nn.Conv1d(channels, width, 3, padding=dilation, dilation=dilation),
                nn.BatchNorm1d(width),
                nn.ReLU(),
            ]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.layers(x).amax(dim=2))


def run(epochs=3):
    torch.manual_seed(0)
    train = DataLoader(Tones(60, True, 1), batch_size=12, shuffle=True)
    valid = DataLoader(Tones(24, False, 2), batch_size=12)
    model = TCN()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train()
        for waves, labels in train:
            optimizer.zero_grad()
            loss = criterion(model(waves), labels)
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(waves).argmax(1) == labels).sum().item() for waves, labels in valid)
    return right / len(valid.dataset)


print(f"accuracy {run():.2f}")
