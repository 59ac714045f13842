"""Recurrent layers along the batch, padded steps, carried states, easy triplets, masks."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
DATA = """
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

lengths = torch.randint(2, 9, (32,))
steps = torch.arange(8)[None] < lengths[:, None]
series = torch.randn(32, 8, 5) * steps.unsqueeze(-1)
ids = torch.randint(1, 12, (32, 8)) * steps
classes = torch.randint(0, 4, (32,))
tags = torch.randint(0, 4, (32, 8))
"""
FIT = (
    DATA
    + """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {layers}

    def forward(self, x, {arguments}):
        {forward}

model = Model()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
loader = DataLoader(TensorDataset({data}), 4, shuffle={shuffle})
{before}
for epoch in range(2):
    for {batch} in loader:
        {step}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
"""
)


def fit(layers: str, forward: str, **parts: str) -> str:
    usual = {
        "arguments": "n=None",
        "data": "series, lengths, classes",
        "batch": "x, n, y",
        "shuffle": "True",
        "before": "",
        "step": "loss = F.cross_entropy(model(x, n), y)",
    }
    return FIT.format(layers=layers, forward=forward, **(usual | parts))


GRU = "self.rnn = nn.{}\n        self.head = nn.Linear({}, 4)"
TAG = {
    "data": "series, tags",
    "batch": "x, y",
    "step": "loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())",
}
SCRIPT = {
    "data": "torch.randn(32, 1, 6, 10), torch.randint(1, 4, (32, 3))",
    "batch": "x, y",
    "step": "loss = F.ctc_loss(model(x), y, torch.full((4,), 10), torch.full((4,), 3))",
}
READER = """self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.rnn = nn.LSTM({}){}
        self.head = nn.Linear(16, 4)"""
COLUMNS = """features = torch.relu(self.conv(x)).mean(2)
        out, _ = self.rnn(features.permute({}))
        return self.head(out).log_softmax(-1){}"""
PACKED = """packed = pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False)
        {}
        out, sizes = pad_packed_sequence(out, batch_first=True)
        """
PACK = PACKED.format("out, last = self.rnn(packed)")
FIRST = GRU.format("GRU(5, 8, batch_first=True)", 8)
ENCODER = """self.embed = nn.Embedding(12, 8, padding_idx=0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(8, 4)"""
ENCODE = """padded = x == 0
        h = self.encoder(self.embed(x), src_key_padding_mask=padded)
        """
WORDS = {"data": "ids, lengths, classes"}
CARRY = {
    "arguments": "h=None",
    "data": "series, classes",
    "batch": "x, y",
    "before": "h = None",
}
CARRIED = """out, h = model(x, h)
        h = h.detach()
        loss = F.cross_entropy(out, y)"""
STATE = "out, h = self.rnn(x, h)\n        return self.head(out[:, -1]), h"
KEPT = """if self.state is not None:
            self.state = self.state.detach()
        out, self.state = self.rnn(x, self.state)
        return self.head(out.sum(1))"""
ATTEND = """scores = self.q(x) @ self.k(x).transpose(1, 2) / 8 ** 0.5
        {}
        return self.head(self.drop(weights @ self.v(x)).sum(1))"""
QUERIES = """self.q, self.k, self.v = nn.Linear(5, 8), nn.Linear(5, 8), nn.Linear(5, 8)
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(8, 4)"""
MASKED = {"data": "series, steps.float(), classes"}
TRIPLET = """
net = Net()
optimizer = torch.optim.Adam(net.parameters(), 1e-3)

def mined(e, y, margin=0.3):
    same = y[:, None] == y[None]
    {body}

for _ in range(3):
    loss = mined(F.normalize(net(images), dim=1), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
"""
HINGE = "return F.relu(far - near + margin).mean()"


def triplet(*lines: str) -> str:
    return TRIPLET.format(body="\n    ".join(lines))


BROKEN = {
    "runs_along_the_batch": fit(
        READER.format("6, 8, bidirectional=True, batch_first=True", MARK),
        COLUMNS.format("2, 0, 1", ""),
        **SCRIPT,
    ),
    "runs_along_the_batch.batch_first_data": fit(
        READER.format("6, 8, bidirectional=True", MARK),
        COLUMNS.format("0, 2, 1", ".permute(1, 0, 2)"),
        **SCRIPT,
    ),
    "runs_along_the_batch.tagger": fit(
        f"self.rnn = nn.GRU(5, 8){MARK}\n        self.head = nn.Linear(8, 4)",
        "return self.head(self.rnn(x)[0])",
        **TAG,
    ),
    "last_step_is_padding": fit(FIRST, f"{PACK}return self.head(out[:, -1]){MARK}"),
    "last_step_is_padding.all_features": fit(
        GRU.format("LSTM(5, 8, batch_first=True)", 8),
        f"{PACK}h = out[:, -1, :]{MARK}\n        return self.head(torch.relu(h))",
    ),
    "padding_in_the_mean": fit(FIRST, f"{PACK}return self.head(out.mean(1)){MARK}"),
    "padding_in_the_mean.attention": fit(
        ENCODER, f"{ENCODE}return self.head(h.mean(dim=1)){MARK}", **WORDS
    ),
    "state_of_other_samples": fit(
        FIRST, STATE, **CARRY, step=CARRIED.replace("(x, h)", f"(x, h){MARK}")
    ),
    "state_of_other_samples.attribute": fit(
        f"{FIRST}\n        self.state = None",
        KEPT.replace("self.state)\n", f"self.state){MARK}\n"),
        data="series, classes",
        batch="x, y",
        step="loss = F.cross_entropy(model(x), y)",
    ),
    "scores_times_mask.data": fit(
        QUERIES,
        ATTEND.format(
            f"scores = scores * n.unsqueeze(1){MARK}\n        weights = scores.softmax(-1)"
        ),
        **MASKED,
    ),
    "scores_times_mask.classes": fit(
        FIRST,
        "return self.head(self.rnn(x)[0].sum(1))",
        before="allowed = torch.tensor([1.0, 1.0, 0.0, 1.0])\nclasses.clamp_(max=1)",
        step=f"scores = model(x) * allowed{MARK}\n        loss = F.cross_entropy(scores, y)",
    ),
    "scores_times_mask.actions": fit(
        FIRST,
        "return self.head(self.rnn(x)[0].sum(1))",
        before="allowed = torch.tensor([1, 1, 0, 1])",
        step=f"logits = model(x) * allowed{MARK}\n"
        "        choice = torch.distributions.Categorical(logits=logits)\n"
        "        loss = -(choice.log_prob(y) * 0.5).mean()",
    ),
    "easiest_sample_is_mined": triplet(
        "d = torch.cdist(e, e)",
        "far = (d * same).max(1)[0]",
        f"near = (d * ~same).max(1)[0]{MARK}",
        HINGE,
    ),
    "easiest_sample_is_mined.similarity": triplet(
        "s = e @ e.t()",
        "hard = s.masked_fill(~same, 9.0).amin(1)",
        f"easy = s.masked_fill(same, 9.0).amin(1){MARK}",
        "return torch.clamp(easy - hard + margin, min=0).mean()",
    ),
    "easiest_sample_is_mined.loop": triplet(
        "d, found = 1 - e @ e.T, []",
        "for i in range(len(y)):",
        "    far, near = d[i][same[i]].max(), None",
        f"    near = d[i][~same[i]].max(){MARK}",
        "    found.append(F.softplus(far - near))",
        "return torch.stack(found).mean()",
    ),
}
HEALTHY = {
    "reader": fit(
        READER.format("6, 8, bidirectional=True", ""), COLUMNS.format("2, 0, 1", ""), **SCRIPT
    ),
    "reader_batch_first": fit(
        READER.format("6, 8, bidirectional=True, batch_first=True", ""),
        COLUMNS.format("0, 2, 1", ".permute(1, 0, 2)"),
        **SCRIPT,
    ),
    "tagger": fit(FIRST, "return self.head(self.rnn(x)[0])", **TAG),
    "time_first": fit(
        GRU.format("GRU(5, 8)", 8),
        "return self.head(self.rnn(x)[0])",
        **(
            TAG
            | {
                "step": "x, y = x.transpose(0, 1), y.t()\n        "
                "loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())"
            }
        ),
    ),
    "last_state": fit(FIRST, f"{PACK}return self.head(last[-1])"),
    "gathered": fit(FIRST, f"{PACK}return self.head(out[torch.arange(len(n)), n - 1])"),
    "equal_lengths": fit(FIRST, f"{PACK}return self.head(out[:, -1])", before="lengths.fill_(8)"),
    "first_state": fit(FIRST, f"{PACK}return self.head(out[:, 0])"),
    "not_packed": fit(FIRST, "return self.head(self.rnn(x)[0][:, -1])"),
    "sum_over_lengths": fit(FIRST, f"{PACK}return self.head(out.sum(1) / n.unsqueeze(1))"),
    "corrected_mean": fit(
        FIRST, f"{PACK}return self.head(out.mean(1) * (out.shape[1] / n).unsqueeze(1))"
    ),
    "maximum": fit(FIRST, f"{PACK}return self.head(out.amax(1))"),
    "masked_mean": fit(
        ENCODER,
        f"{ENCODE}h = h.masked_fill(padded.unsqueeze(-1), 0.0).sum(1)\n"
        "        return self.head(h / (~padded).sum(1, keepdim=True))",
        **WORDS,
    ),
    "first_token": fit(ENCODER, f"{ENCODE}return self.head(h[:, 0])", **WORDS),
    "mean_of_features": fit(
        ENCODER, f"{ENCODE}return self.head(h[:, 0] - h[:, 0].mean(1, keepdim=True))", **WORDS
    ),
    "mean_without_padding": fit(
        ENCODER, f"{ENCODE}return self.head(h.mean(1))", **WORDS, before="ids.clamp_(min=1)"
    ),
    "stateful": fit(FIRST, STATE, **(CARRY | {"shuffle": "False"}), step=CARRIED),
    "parts_of_one_batch": fit(
        FIRST,
        STATE,
        **CARRY,
        step="_, h = model(x[:, :4])\n        out, h = model(x[:, 4:], h.detach())\n"
        "        loss = F.cross_entropy(out, y)",
    ),
    "new_state": fit(
        FIRST,
        STATE,
        **CARRY,
        step="out, h = model(x, torch.zeros(1, len(x), 8))\n        loss = F.cross_entropy(out, y)",
    ),
    "learned_state": fit(
        f"{FIRST}\n        self.begin = nn.Parameter(torch.zeros(1, 1, 8))",
        "h = self.begin.expand(1, len(x), 8).contiguous()\n"
        "        return self.head(self.rnn(x, h)[0][:, -1])",
    ),
    "masked_by_infinity": fit(
        QUERIES,
        ATTEND.format(
            "scores = scores.masked_fill(n.unsqueeze(1) == 0, float('-inf'))\n"
            "        weights = scores.softmax(-1)"
        ),
        **MASKED,
    ),
    "masked_twice": fit(
        QUERIES,
        ATTEND.format(
            "mask = n.unsqueeze(1)\n        weights = (scores * mask).softmax(-1) * mask\n"
            "        weights = weights / weights.sum(-1, keepdim=True)"
        ),
        **MASKED,
    ),
    "product_and_offset": fit(
        QUERIES,
        ATTEND.format(
            "mask = n.unsqueeze(1)\n"
            "        weights = (scores * mask - 1e9 * (1 - mask)).softmax(-1)"
        ),
        **MASKED,
    ),
    "class_weights": fit(
        FIRST,
        "return self.head(self.rnn(x)[0].sum(1))",
        before="scale = torch.tensor([1.0, 2.0, 1.0, 0.5])",
        step="loss = F.cross_entropy(model(x) * scale, y)",
    ),
    "hardest": triplet(
        "d = torch.cdist(e, e)",
        "far = (d * same).max(1)[0]",
        "near = (d + 1e3 * same).min(1)[0]",
        HINGE,
    ),
    "hardest_of_similarities": triplet(
        "s = e @ e.t()",
        "far = s.masked_fill(~same, 9.0).amin(1)",
        "near = s.masked_fill(same, -9.0).amax(1)",
        "return F.relu(near - far + margin).mean()",
    ),
    "hardest_of_negated": triplet(
        "s = 1 - e @ e.t()",
        "far = s.masked_fill(~same, -9.0).amax(1)",
        "near = s.masked_fill(same, 9.0).amin(1)",
        HINGE,
    ),
    "nearest_prototypes": triplet(
        "d = torch.cdist(e, torch.eye(4))",
        "own = F.one_hot(y, 4).bool()",
        "near = d.masked_fill(~own, 9.0).amin(1)",
        "other = d.masked_fill(own, 9.0).amin(1)",
        "return F.relu(near - other + margin).mean()",
    ),
    "margin_of_logits": triplet(
        "own = F.one_hot(y, 4)",
        "real = (e * own).max(1)[0]",
        "other = (e * (1 - own)).max(1)[0]",
        "return F.relu(other - real + margin).mean()",
    ),
}
KINDS = {
    "runs_along_the_batch": "shape/batchnorm_axis",
    "last_step_is_padding": "module",
    "padding_in_the_mean": "module",
    "state_of_other_samples": "training",
    "scores_times_mask": "module",
    "easiest_sample_is_mined": "loss/triplet_mining",
}


class TestPaddedStepAndStateRules(ProgramChecks):
    """The mistakes are found, and healthy networks that look alike are clean."""
