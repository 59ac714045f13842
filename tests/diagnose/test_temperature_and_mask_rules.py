"""Temperatures of a distillation, masks as products, last steps, and exchanged settings."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
DISTILLATION = """
teacher, student = Net().eval(), Net()
optimizer = torch.optim.Adam(student.parameters(), 1e-3)
T = 4.0

def soft_loss(scores, wanted):
    {loss}

for step in range(3):
    with torch.no_grad():
        wanted = teacher(images)
    scores = student(images)
    loss = 0.5 * F.cross_entropy(scores, labels) + 0.5 * soft_loss(scores, wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
ATTENTION = """
class Attention(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.head = nn.Linear(width, 3)

    def forward(self, x, mask):
        scores = self.q(x) @ self.k(x).transpose(1, 2) / 4
        {attend}
        return self.head((weights @ self.v(x)).mean(1))

net = Attention()
x, y = torch.randn(16, 10, 16), torch.randint(0, 3, (16,))
lengths = torch.randint(4, 10, (16, 1))
mask = {mask}
optimizer = torch.optim.Adam(net.parameters())
for step in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(x, mask), y).backward()
    optimizer.step()
"""
RECURRENT = """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 16, 3, padding=1)
        self.rnn = {layer}
        self.head = nn.Linear({size}, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x)).transpose(1, 2)
        {read}

net = Reader()
x, y = torch.randn(16, 4, 20), torch.randint(0, 3, (16,))
optimizer = torch.optim.Adam(net.parameters())
for step in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
OPTIMIZER = """
net = Net()
optimizer = {optimizer}
for step in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
KL = "reduction='batchmean'"
BOTH = "nn.LSTM(16, 8, batch_first=True, bidirectional=True)"
LENGTHS = "(torch.arange(10)[None] < lengths).float()"


def distillation(loss: str) -> str:
    return DISTILLATION.format(loss=loss)


def attention(attend: str, mask: str = LENGTHS) -> str:
    return ATTENTION.format(attend=attend, mask=mask)


def recurrent(read: str, layer: str = BOTH, size: int = 16) -> str:
    return RECURRENT.format(read=read, layer=layer, size=size)


def optimizer(text: str) -> str:
    return OPTIMIZER.format(optimizer=text)


BROKEN = {
    "temperature_on_one_side": distillation(
        f"p = F.softmax(wanted, dim=1){MARK}\n"
        f"    return F.kl_div(F.log_softmax(scores / T, dim=1), p, {KL}) * T * T"
    ),
    "temperature_on_one_side.student": distillation(
        f"log_p = F.log_softmax(scores, dim=1){MARK}\n"
        f"    return nn.KLDivLoss({KL})(log_p, (wanted / T).softmax(1))"
    ),
    "scores_times_mask": attention(
        f"scores = scores * mask[:, None, :]{MARK}\n        weights = scores.softmax(-1)"
    ),
    "scores_times_mask.triangle": attention(
        f"weights = torch.softmax(scores * mask, dim=-1){MARK}", "torch.tril(torch.ones(10, 10))"
    ),
    "scores_times_mask.tokens": attention(
        f"scores = mask.unsqueeze(1) * scores{MARK}\n        weights = F.softmax(scores, dim=2)",
        "(torch.randint(0, 3, (16, 10)) != 0)",
    ),
    "last_step_of_both_directions": recurrent(
        f"out, _ = self.rnn(x)\n        return self.head(out[:, -1, :]){MARK}"
    ),
    "last_step_of_both_directions.gru": recurrent(
        f"out = self.rnn(x.transpose(0, 1))[0]\n        last = out[-1]{MARK}\n"
        "        return self.head(last)",
        "nn.GRU(16, 8, bidirectional=True)",
    ),
    "momentum_as_rate": optimizer(f"torch.optim.SGD(net.parameters(), 0.9, 0.01){MARK}"),
}
HEALTHY = {
    "one temperature": distillation(
        f"return F.kl_div((scores / T).log_softmax(1), (wanted / T).softmax(1), {KL}) * T ** 2"
    ),
    "no temperature": distillation(
        f"return F.kl_div(scores.log_softmax(1), wanted.softmax(1), {KL})"
    ),
    "a sharper teacher": distillation(
        f"return F.kl_div((scores / 0.9).log_softmax(1), (wanted / 0.5).softmax(1), {KL})"
    ),
    "a temperature as a tensor": distillation(
        "t = torch.full((16, 1), 2.0)\n"
        f"    return F.kl_div((scores / t).log_softmax(1), (wanted / T).softmax(1), {KL})"
    ),
    "smoothed labels": distillation(
        "p = F.one_hot(labels, 4) * 0.9 + 0.025\n"
        f"    return F.kl_div((scores / T).log_softmax(1), p, {KL})"
    ),
    "minus infinity": attention(
        "scores = scores.masked_fill(mask[:, None, :] == 0, float('-inf'))\n"
        "        weights = scores.softmax(-1)"
    ),
    "a large number is added": attention(
        "weights = (scores + (1 - mask[:, None, :]) * -1e9).softmax(-1)"
    ),
    "masked again": attention(
        "mask = mask[:, None, :]\n        weights = (scores * mask).softmax(-1) * mask\n"
        "        weights = weights / weights.sum(-1, keepdim=True)"
    ),
    "weights of keys": attention(
        "weights = (scores * mask[:, None, :]).softmax(-1)", "torch.rand(16, 10)"
    ),
    "masked after the softmax": attention(
        "weights = scores.softmax(-1) * mask[:, None, :]\n"
        "        weights = weights / weights.sum(-1, keepdim=True)"
    ),
    "the last hidden states": recurrent(
        "_, (h, _) = self.rnn(x)\n        return self.head(torch.cat([h[-2], h[-1]], 1))"
    ),
    "one direction": recurrent(
        "return self.head(self.rnn(x)[0][:, -1])", "nn.LSTM(16, 16, batch_first=True)"
    ),
    "the mean of all steps": recurrent("return self.head(self.rnn(x)[0].mean(1))"),
    "both ends": recurrent(
        "out = self.rnn(x)[0]\n"
        "        return self.head(torch.cat([out[:, -1, :8], out[:, 0, 8:]], 1))"
    ),
    "the last step forward": recurrent(
        "out = self.rnn(x)[0]\n        return self.head(out[:, -1, :8])", size=8
    ),
    "rate and momentum": optimizer("torch.optim.SGD(net.parameters(), 0.01, 0.9)"),
    "a large rate with names": optimizer(
        "torch.optim.SGD(net.parameters(), lr=0.9, momentum=0.05)"
    ),
    "no momentum": optimizer("torch.optim.SGD(net.parameters(), 0.5)"),
}
KINDS = {
    "temperature_on_one_side": "loss/wrong_loss",
    "scores_times_mask": "module",
    "last_step_of_both_directions": "module",
    "momentum_as_rate": "training/not_learning",
}


class TestPrograms(ProgramChecks):
    pass
