"""Classify sequences of different lengths with a packed bidirectional LSTM."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

PAD = 0


def make_examples(count):
    """The label says whether token 1 occurs before token 2."""
    examples = []
    for _ in range(count):
        length = int(torch.randint(4, 10, ()))
        tokens = torch.randint(3, 12, (length,))
        first, second = torch.randperm(length)[:2].tolist()
        tokens[first], tokens[second] = 1, 2
        examples.append((tokens, int(first < second)))
    return examples


def collate(examples):
    tokens, labels = zip(*examples)
    lengths = torch.tensor([len(t) for t in tokens])
    return pad_sequence(tokens, batch_first=True, padding_value=PAD), lengths, torch.tensor(labels)


class Reader(nn.Module):
    def __init__(self, vocabulary=12, size=12, hidden=16):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size, padding_idx=PAD)
        self.lstm = nn.LSTM(size, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, 1)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(
            self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        _, (hidden, _) = self.lstm(packed)
        return self.head(torch.cat([hidden[0], hidden[1]], dim=1)).squeeze(1)


def epoch(model, loader, criterion, optimizer=None):
    model.train(optimizer is not None)
    total, correct, seen = 0.0, 0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for tokens, lengths, labels in loader:
            logits = model(tokens, lengths)
            loss = criterion(logits, labels.float())
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
            total += loss.item() * len(labels)
            correct += ((logits > 0) == labels.bool()).sum().item()
            seen += len(labels)
    return total / seen, correct / seen


torch.manual_seed(0)
train = DataLoader(make_examples(60), batch_size=10, shuffle=True, collate_fn=collate)
valid = DataLoader(make_examples(25), batch_size=10, collate_fn=collate)
model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.BCEWithLogitsLoss()
for _ in range(3):
    train_loss, _ = epoch(model, train, criterion, optimizer)
valid_loss, accuracy = epoch(model, valid, criterion)
print(f"train {train_loss:.3f}, valid {valid_loss:.3f}, accuracy {accuracy:.2f}")
