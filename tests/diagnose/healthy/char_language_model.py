"""A character model with tied weights, trained by truncated backpropagation through time."""

import torch
from torch import nn

TEXT = "the quick brown fox jumps over the lazy dog and runs away from the old red barn " * 6
BATCH, WINDOW = 4, 10


class CharModel(nn.Module):
    def __init__(self, characters, size=16):
        super().__init__()
        self.embedding = nn.Embedding(characters, size)
        self.gru = nn.GRU(size, size, num_layers=2, dropout=0.1)
        self.output = nn.Linear(size, characters)
        self.output.weight = self.embedding.weight

    def forward(self, x, hidden):
        features, hidden = self.gru(self.embedding(x), hidden)
        return self.output(features), hidden


def batchify(text, index):
    codes = torch.tensor([index[c] for c in text])
    steps = len(codes) // BATCH
    return codes[: steps * BATCH].view(BATCH, steps).t().contiguous()


def train_epoch(model, data, optimizer, criterion):
    model.train()
    hidden, total, windows = None, 0.0, 0
    for start in range(0, len(data) - WINDOW, WINDOW):
        x, y = data[start : start + WINDOW], data[start + 1 : start + WINDOW + 1]
        if hidden is not None:
            hidden = hidden.detach()
        logits, hidden = model(x, hidden)
        loss = criterion(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total, windows = total + loss.item(), windows + 1
    return total / windows


@torch.no_grad()
def sample(model, alphabet, start, length):
    model.eval()
    code, hidden, text = torch.tensor([[start]]), None, ""
    for _ in range(length):
        logits, hidden = model(code, hidden)
        code = logits[-1].softmax(-1).multinomial(1)
        text += alphabet[code.item()]
    return text


torch.manual_seed(0)
alphabet = sorted(set(TEXT))
index = {c: i for i, c in enumerate(alphabet)}
model = CharModel(len(alphabet))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
data = batchify(TEXT, index)
for _ in range(2):
    loss = train_epoch(model, data, optimizer, nn.CrossEntropyLoss())
print(f"loss {loss:.3f}, sample {sample(model, alphabet, index['t'], 8)!r}")
