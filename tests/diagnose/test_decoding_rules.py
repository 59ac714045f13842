"""Rules about the decoding of what a CTC loss has trained."""

from __future__ import annotations

from rule_checks import ProgramChecks

READER = """
from itertools import groupby

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, (6, 3), padding=(0, 1))
        self.out = nn.Linear(8, 5)

    def forward(self, x):
        x = torch.relu(self.conv(x)).squeeze(2).permute(2, 0, 1)
        return self.out(x).log_softmax(-1)

BLANK = 0

def decode(scores):
    texts = []
    for row in scores.argmax(-1).T.tolist():
        {decoding}
    return texts

net = Reader()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
targets = torch.randint(1, 5, (16, 2))
sizes = torch.full((16,), 6), torch.full((16,), 2)
for _ in range(3):
    optimizer.zero_grad()
    F.ctc_loss(net(images), targets, *sizes, zero_infinity=True).backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    print(decode(net(images)))
"""


def decoder(*lines: str) -> str:
    return READER.format(decoding="\n        ".join(lines))


# Each program has one mistake, in the line that is marked.
KINDS = {"blanks_removed_before_repeats": "loss/broadcast_metric"}
BROKEN = {
    "blanks_removed_before_repeats.filtered": decoder(
        "row = [c for c in row if c != 0]  # cause",
        "texts.append([key for key, _ in groupby(row)])",
    ),
    "blanks_removed_before_repeats.filtered_in_place": decoder(
        "texts.append([key for key, _ in groupby(c for c in row if c != BLANK)])  # cause"
    ),
    "blanks_removed_before_repeats.tensor": decoder(
        "row = torch.tensor(row)",
        "letters = row[row != BLANK]  # cause",
        "texts.append(torch.unique_consecutive(letters).tolist())",
    ),
    "blanks_removed_before_repeats.filtered_before_a_loop": decoder(
        "row, text = list(row), []",
        "row = [c for c in row if c != BLANK]  # cause",
        "for c in row:",
        "    if not text or c != text[-1]:",
        "        text.append(c)",
        "texts.append(text)",
    ),
    "blanks_removed_before_repeats.filtered_before_neighbors": decoder(
        "text = []",
        "letters = [c for c in row if c != 0]  # cause",
        "for k, c in enumerate(letters):",
        "    if k == 0 or c != letters[k - 1]:",
        "        text.append(c)",
        "texts.append(text)",
    ),
    "blanks_removed_before_repeats.skipped": decoder(
        "text = []",
        "for c in row:",
        "    if c == BLANK:  # cause",
        "        continue",
        "    if not text or text[-1] != c:",
        "        text.append(c)",
        "texts.append(text)",
    ),
    "blanks_removed_before_repeats.last_letter": decoder(
        "text, last = [], None",
        "for c in row:",
        "    if c != BLANK and c != last:  # cause",
        "        text.append(c)",
        "        last = c",
        "texts.append(text)",
    ),
}
HEALTHY = {
    "collapsed_first": decoder("texts.append([k for k, _ in groupby(row) if k != BLANK])"),
    "collapsed_and_filtered": decoder(
        "keys = [k for k, _ in groupby(row)]", "texts.append([k for k in keys if k != 0])"
    ),
    "last_column": decoder(
        "text, last = [], None",
        "for c in row:",
        "    if c != BLANK and c != last:",
        "        text.append(c)",
        "    last = c",
        "texts.append(text)",
    ),
    "forgotten_at_a_blank": decoder(
        "text, last = [], None",
        "for c in row:",
        "    if c == BLANK:",
        "        last = None",
        "        continue",
        "    if c != last:",
        "        text.append(c)",
        "    last = c",
        "texts.append(text)",
    ),
    "forgotten_otherwise": decoder(
        "text, last = [], None",
        "for c in row:",
        "    if c != BLANK:",
        "        if c != last:",
        "            text.append(c)",
        "        last = c",
        "    else:",
        "        last = BLANK",
        "texts.append(text)",
    ),
    "skipped_repeats": decoder(
        "text, last = [], None",
        "for c in row:",
        "    if c == last:",
        "        continue",
        "    last = c",
        "    if c != BLANK:",
        "        text.append(c)",
        "texts.append(text)",
    ),
    "filtered_without_collapsing": decoder(
        "letters = [c for c in row if c != 0]",
        "text = []",
        "for k, c in enumerate(letters):",
        "    if c != 4:",
        "        text.append(c)",
        "texts.append(text)",
    ),
    "neighbors_of_a_loop": decoder(
        "text = []",
        "for k, c in enumerate(row):",
        "    if c != BLANK and (k == 0 or c != row[k - 1]):",
        "        text.append(c)",
        "texts.append(text)",
    ),
    "neighbors": decoder(
        "texts.append([c for i, c in enumerate(row) if c != 0 and (i == 0 or c != row[i - 1])])"
    ),
}


class TestPrograms(ProgramChecks):
    pass
