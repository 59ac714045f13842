"""A transformer learns to reverse sequences; greedy decoding at the end."""

import math

import torch
from torch import nn

START, VOCABULARY = 1, 15


class PositionalEncoding(nn.Module):
    def __init__(self, size, length=50):
        super().__init__()
        position = torch.arange(length).unsqueeze(1)
        rate = torch.exp(torch.arange(0, size, 2) * (-math.log(10_000) / size))
        table = torch.zeros(length, size)
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[: x.size(1)]


class Seq2Seq(nn.Module):
    def __init__(self, size=16):
        super().__init__()
        self.source = nn.Embedding(VOCABULARY, size)
        self.target = nn.Embedding(VOCABULARY, size)
        self.position = PositionalEncoding(size)
        self.core = nn.Transformer(size, 2, 1, 1, dim_feedforward=32, dropout=0.1, batch_first=True)
        self.output = nn.Linear(size, VOCABULARY)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.size(1))
        features = self.core(
            self.position(self.source(source)),
            self.position(self.target(target)),
            tgt_mask=mask,
            tgt_is_causal=True,
        )
        return self.output(features)


def batch(size, length=6):
    source = torch.randint(2, VOCABULARY, (size, length))
    start = torch.full((size, 1), START)
    return source, torch.cat([start, source.flip(1)], dim=1)


@torch.no_grad()
def translate(model, source):
    model.eval()
    found = torch.full((source.size(0), 1), START)
    for _ in range(source.size(1)):
        following = model(source, found)[:, -1:].argmax(dim=-1)
        found = torch.cat([found, following], dim=1)
    return found[:, 1:]


torch.manual_seed(0)
model = Seq2Seq()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
model.train()
for _ in range(6):
    source, target = batch(8)
    logits = model(source, target[:, :-1])
    loss = criterion(logits.flatten(0, 1), target[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, translated {tuple(translate(model, batch(2)[0]).shape)}")
