"""Heads and frames that are not transposed, and losses whose arguments are exchanged."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
ATTENTION = """
class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        heads, size = self.heads, width // self.heads
        q, k, v = (part{split} for part in self.qkv(x).chunk(3, dim=-1)){split_mark}
        {mixed}
        return self.out(mixed{merge}){mark}

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 2, stride=2)
        self.attention = Attention(16, 4)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.head((x + self.attention(x)).mean(dim=1))

net = Reader()
optimizer = torch.optim.Adam(net.parameters())
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
"""
SPLIT = ".reshape(n, tokens, heads, size).transpose(1, 2)"
WEIGHTED = (
    "weights = (q @ k.transpose(-2, -1) / size**0.5).softmax(dim=-1)\n        mixed = weights @ v"
)
FUSED = "mixed = F.scaled_dot_product_attention(q, k, v)"
MERGE = ".transpose(1, 2).reshape(n, tokens, width)"
BINARY = """
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 1){last})
present = (labels[:, None] > 1).float()
optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)
criterion = {loss}
for _ in range({steps}):
    optimizer.zero_grad()
    loss = criterion({arguments}){mark}
    loss.backward()
    optimizer.step()
"""
CLIPS = """
class Clips(nn.Module):
    def __init__(self):
        super().__init__()
        self.frame, self.clip = nn.Conv2d(3, 5, 3), nn.Conv3d(5, 4, (4, 1, 1))

    def forward(self, x):
        n, t, c, h, w = x.shape
        x = torch.relu(self.frame(x.reshape(n * t, c, h, w)))
        x = {clips}{mark}
        return self.clip(x).mean(dim=(2, 3, 4))

net, clips = Clips(), images.reshape(4, 4, 3, 6, 6)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    optimizer.zero_grad()
    F.cross_entropy(net(clips), labels[:4]).backward()
    optimizer.step()
"""


def attention(**parts: str) -> str:
    usual = {"split": SPLIT, "split_mark": "", "mixed": WEIGHTED, "merge": MERGE, "mark": ""}
    return ATTENTION.format(**(usual | parts))


def binary(arguments: str, mark: str = "", loss: str = "nn.BCEWithLogitsLoss()") -> str:
    last = "" if "Logits" in loss else ", nn.Sigmoid()"
    steps = 4 if "Logits" in loss else 1  # exchanged probabilities raise at the second step
    return BINARY.format(arguments=arguments, mark=mark, loss=loss, last=last, steps=steps)


BROKEN = {
    "heads_without_transpose": attention(merge=".reshape(n, tokens, width)", mark=MARK),
    "heads_without_transpose.fused": attention(
        mixed=FUSED, merge=".reshape(n, tokens, width)", mark=MARK
    ),
    "heads_without_transpose.of_the_queries": attention(
        split=".reshape(n, heads, tokens, size)", split_mark=MARK
    ),
    "predictions_as_targets": binary("present, net(images)", MARK),
    "predictions_as_targets.of_probabilities": binary("present, net(images)", MARK, "nn.BCELoss()"),
    "frames_mixed_with_channels": CLIPS.format(clips="x.view(n, 5, t, 4, 4)", mark=MARK),
    "frames_mixed_with_channels.in_a_tuple": CLIPS.format(
        clips="x.reshape((n, 5, -1, 4, 4))", mark=MARK
    ),
}
KINDS = {
    "frames_mixed_with_channels": "data/reshape_instead_of_permute",
    "heads_without_transpose": "data/reshape_instead_of_permute",
    "predictions_as_targets": "loss/wrong_loss",
}
FIXED = [name for name in BROKEN if not name.endswith("in_a_tuple")]
HEALTHY = {
    "clips": CLIPS.format(clips="x.view(n, t, 5, 4, 4).transpose(1, 2)", mark=""),
    "attention": attention(),
    "fused_attention": attention(mixed=FUSED),
    "attention_over_channels": attention(
        split=".transpose(1, 2).reshape(n, heads, size, tokens)",
        mixed="weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)\n        mixed = weights @ v",
        merge=".reshape(n, width, tokens).transpose(1, 2)",
    ),
    "binary": binary("net(images), present"),
    "binary_of_probabilities": binary("net(images), present", loss="nn.BCELoss()"),
    "soft_labels_of_a_teacher": binary("net(images), net(images).detach().sigmoid()"),
}


class TestPrograms(FixedProgramChecks):
    pass
