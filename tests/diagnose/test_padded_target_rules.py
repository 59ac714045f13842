"""Padding that counts in the loss of a language model."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
BATCH_FIRST = """
tokens = torch.zeros(24, 10, dtype=torch.long)
for row in tokens:
    length = {length}
    row[:length] = (torch.arange(length) + torch.randint(0, 5, ())) % 7 + 1

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 12{padding})
        self.mix = nn.GRU(12, 16, batch_first=True)
        self.scores = nn.Linear(16, 8)

    def forward(self, ids):
        return self.scores(self.mix(self.embedding(ids))[0])

net = Model()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss({options}){mark}
for batch in tokens.split(8):
    optimizer.zero_grad()
    {loss}.backward()
    optimizer.step()
"""
NEXT = "criterion(net(batch[:, :-1]).reshape(-1, 8), batch[:, 1:].reshape(-1))"
TIME_FIRST = """
from torch.nn.utils.rnn import pad_sequence

sequences = [(torch.arange(n) + n) % 8 for n in (4, 7, 9, 6, 8, 5)]
tokens = pad_sequence(sequences, padding_value=9)

class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(10, 12, padding_idx=9)
        self.hidden = nn.Linear(12, 10)

    def forward(self, ids):
        return F.log_softmax(self.hidden(self.tokens(ids)), -1)

net = Decoder()
optimizer = torch.optim.Adam(net.parameters())
for _ in range(3):
    optimizer.zero_grad()
    scores = net(tokens[:-1])
    loss = F.nll_loss(scores.permute(0, 2, 1), tokens[1:]{options}){mark}
    loss.backward()
    optimizer.step()
"""


def model(**parts: str) -> str:
    usual = {"length": "int(torch.randint(4, 10, ()))", "padding": ", padding_idx=0"}
    return BATCH_FIRST.format(**(usual | {"options": "", "mark": "", "loss": NEXT} | parts))


BROKEN = {
    "padding_counts_in_the_loss": model(mark=MARK),
    "padding_counts_in_the_loss.time_first": TIME_FIRST.format(mark=MARK, options=""),
    "padding_counts_in_the_loss.all_positions": model(
        mark=MARK, loss="criterion(net(batch)[:, :-1].transpose(1, 2), batch[:, 1:])"
    ),
}
KINDS = {"padding_counts_in_the_loss": "loss"}
FIXED = list(BROKEN)
MEAN = "criterion(net(batch[:, :-1]).reshape(-1, 8), batch[:, 1:].reshape(-1))"
HEALTHY = {
    "ignored": model(options="ignore_index=0"),
    "time_first_and_ignored": TIME_FIRST.format(mark="", options=", ignore_index=9"),
    "masked": model(
        options='reduction="none"',
        loss=f"({MEAN} * (batch[:, 1:] != 0).reshape(-1)).sum()",
    ),
    "selected": model(
        loss="criterion(net(batch[:, :-1])[batch[:, 1:] != 0], batch[:, 1:][batch[:, 1:] != 0])"
    ),
    "weighted": model(options="weight=torch.tensor([0.0] + [1.0] * 7)"),
    "one_length": model(length="7"),
    "no_padding_idx": model(padding=""),
    "the_same_ids": model(loss="criterion(net(batch).reshape(-1, 8), batch.reshape(-1))"),
    "filled": model(
        loss="criterion(net(batch[:, :-1]).transpose(1, 2), "
        "batch[:, 1:].masked_fill(batch[:, 1:] == 0, -100))"
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
