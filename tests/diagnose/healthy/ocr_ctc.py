"""Read a line of symbols with a convolution, a GRU and the CTC loss."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

BLANK, SYMBOLS, HEIGHT = 0, 4, 6


class Lines(Dataset):
    """Each symbol is a column pattern of width 4."""

    def __init__(self, count):
        self.patterns = (torch.rand(SYMBOLS + 1, HEIGHT, 4) > 0.5).float()
        lengths = torch.randint(2, 5, (count,)).tolist()
        self.texts = [torch.randint(1, SYMBOLS + 1, (length,)) for length in lengths]

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        text = self.texts[index]
        image = torch.zeros(1, HEIGHT, 24)
        for place, symbol in enumerate(text.tolist()):
            image[0, :, 5 * place : 5 * place + 4] = self.patterns[symbol]
        return image + 0.1 * torch.randn_like(image), text


def collate(samples):
    images, texts = zip(*samples)
    return torch.stack(images), torch.cat(texts), torch.tensor([len(t) for t in texts])


class Reader(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d((1, 2)))
        self.gru = nn.GRU(8 * HEIGHT, hidden, bidirectional=True)
        self.out = nn.Linear(2 * hidden, SYMBOLS + 1)

    def forward(self, images):
        """Return log probabilities of shape (time, batch, symbols)."""
        features = self.conv(images).flatten(1, 2).permute(2, 0, 1)
        return self.out(self.gru(features)[0]).log_softmax(dim=-1)


def greedy(log_probabilities):
    best = log_probabilities.argmax(dim=-1).t()
    return [[s for s in row.unique_consecutive().tolist() if s != BLANK] for row in best]


torch.manual_seed(0)
loader = DataLoader(Lines(48), batch_size=8, shuffle=True, collate_fn=collate)
model, criterion = Reader(), nn.CTCLoss(blank=BLANK)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
model.train()
for _ in range(3):
    for images, texts, lengths in loader:
        output = model(images)
        steps = torch.full((len(images),), len(output))
        loss = criterion(output, texts, steps, lengths)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
model.eval()
with torch.no_grad():
    images, _, _ = next(iter(loader))
    print(f"loss {loss.item():.3f}, read {greedy(model(images))[0]}")
