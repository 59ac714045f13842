"""Padding masks of attention that let the padding take part."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
TOKENS = """
tokens = torch.zeros(16, 9, dtype=torch.long)
for row in tokens:
    length = {length}
    row[{real}] = torch.randint(1, 12, (length,))
"""
ENCODER = (
    TOKENS
    + """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, ids):
        mask = {mask}
        x = self.encoder(self.embedding(ids), {argument}=mask){mark}
        return self.head(x.amax(1))

net = Model()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    F.cross_entropy(net(tokens), labels).backward()
    optimizer.step()
"""
)
PRODUCT = (
    TOKENS
    + """
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(12, 8, padding_idx=0)
        self.parts = nn.Linear(8, 24)

    def forward(self, ids):
        q, k, v = self.parts(self.words(ids)).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v, attn_mask={mask}){mark}

with torch.no_grad():
    print(Attention()(tokens).nan_to_num().mean())
"""
)
SHORTER = "int(torch.randint(3, 9, ()))"


def encoder(**parts: str) -> str:
    usual = {"length": SHORTER, "real": ":length", "mark": "", "argument": "src_key_padding_mask"}
    return ENCODER.format(**(usual | parts))


def product(**parts: str) -> str:
    return PRODUCT.format(**({"length": SHORTER, "real": ":length", "mark": ""} | parts))


BROKEN = {
    "padding_mask_is_inverted": encoder(mask="ids != 0", mark=MARK),
    "padding_mask_is_inverted.of_a_product": product(mask="(ids == 0)[:, None, None]", mark=MARK),
    "padding_mask_is_inverted.on_the_left": encoder(mask="ids > 0", real="-length:", mark=MARK),
}
KINDS = {"padding_mask_is_inverted": "module"}
FIXED = list(BROKEN)
HEALTHY = {
    "padding_is_ignored": encoder(mask="ids == 0"),
    "padding_on_the_left_is_ignored": encoder(mask="ids == 0", real="-length:"),
    "tokens_take_part": product(mask="(ids != 0)[:, None, None]"),
    "causal": product(mask="torch.ones(9, 9, dtype=torch.bool, device=ids.device).tril()"),
    "causal_and_padding": product(
        mask="((ids != 0)[:, None, None] & "
        "torch.ones(9, 9, dtype=torch.bool, device=ids.device).tril())"
    ),
    "added": encoder(
        mask="torch.zeros(ids.shape, device=ids.device).masked_fill(ids == 0, -torch.inf)"
    ),
    "attends_to_all": encoder(mask="torch.zeros_like(ids, dtype=torch.bool)"),
    "one_length": encoder(mask="ids == 0", length="5"),
}


class TestPrograms(FixedProgramChecks):
    pass
