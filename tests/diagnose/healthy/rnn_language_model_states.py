"""A stateful LSTM: hidden states carry over windows, detached, and reset at each epoch."""

import math

import torch
from torch import nn


class LanguageModel(nn.Module):
    def __init__(self, tokens=20, size=16, layers=2, dropout=0.2):
        super().__init__()
        self.layers, self.size = layers, size
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(tokens, size)
        self.lstm = nn.LSTM(size, size, layers, dropout=dropout)
        self.decoder = nn.Linear(size, tokens)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, x, state):
        out, state = self.lstm(self.drop(self.encoder(x)), state)
        return self.decoder(self.drop(out)), state

    def initial_state(self, batch):
        weight = self.decoder.weight
        shape = (self.layers, batch, self.size)
        return weight.new_zeros(shape), weight.new_zeros(shape)


def repackage(state):
    return tuple(part.detach() for part in state)


def corpus(length, batch):
    """A cyclic sequence with a few wrong tokens."""
    tokens = torch.arange(length * batch) * 3 % 20
    wrong = torch.rand(len(tokens)) < 0.05
    tokens[wrong] = torch.randint(0, 20, (int(wrong.sum()),))
    return tokens.view(batch, length).t().contiguous()


def windows(data, size):
    for start in range(0, len(data) - 1, size):
        length = min(size, len(data) - 1 - start)
        yield data[start : start + length], data[start + 1 : start + 1 + length].reshape(-1)


def train(model, data, optimizer, criterion, size=8):
    model.train()
    state = model.initial_state(data.size(1))
    for x, y in windows(data, size):
        state = repackage(state)
        optimizer.zero_grad()
        logits, state = model(x, state)
        loss = criterion(logits.view(-1, logits.size(-1)), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()


@torch.no_grad()
def evaluate(model, data, criterion, size=8):
    model.eval()
    state, total = model.initial_state(data.size(1)), 0.0
    for x, y in windows(data, size):
        logits, state = model(x, state)
        total += len(x) * criterion(logits.view(-1, logits.size(-1)), y).item()
    return total / (len(data) - 1)


torch.manual_seed(0)
model, criterion = LanguageModel(), nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
training, validation = corpus(41, 6), corpus(25, 6)
for epoch in range(3):
    train(model, training, optimizer, criterion)
    print(f"epoch {epoch}: perplexity {math.exp(evaluate(model, validation, criterion)):.1f}")
