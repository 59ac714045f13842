"""An encoder and a decoder with additive attention; teacher forcing half of the time."""

import random

import torch
from torch import nn

TOKENS, START = 10, 0


class Encoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)

    def forward(self, tokens):
        return self.gru(self.embedding(tokens))


class Decoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, hidden)
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.gru = nn.GRUCell(2 * hidden, hidden)
        self.out = nn.Linear(hidden, TOKENS)

    def forward(self, token, state, memory):
        energy = torch.tanh(self.query(state).unsqueeze(1) + self.key(memory))
        weights = self.score(energy).softmax(dim=1)
        context = (weights * memory).sum(dim=1)
        state = self.gru(torch.cat([self.embedding(token), context], dim=1), state)
        return self.out(state), state


class Translator(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.encoder, self.decoder = Encoder(hidden), Decoder(hidden)

    def forward(self, source, target=None, forcing=0.5):
        memory, state = self.encoder(source)
        state = state[0]
        token = torch.full((len(source),), START)
        outputs = []
        for position in range(source.size(1)):
            logits, state = self.decoder(token, state, memory)
            outputs.append(logits)
            forced = target is not None and random.random() < forcing
            token = target[:, position] if forced else logits.argmax(dim=1)
        return torch.stack(outputs, dim=1)


def batch(size, length=5):
    source = torch.randint(1, TOKENS, (size, length))
    return source, source.flip(1)


random.seed(0)
torch.manual_seed(0)
model = Translator()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
model.train()
for _ in range(12):
    source, target = batch(24)
    logits = model(source, target)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
model.eval()
with torch.no_grad():
    source, target = batch(16)
    accuracy = (model(source).argmax(dim=-1) == target).float().mean()
print(f"loss {loss.item():.3f}, tokens right {accuracy:.2f}")
