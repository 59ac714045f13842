"""Penalties without a gradient, updates that are rounded away, early clipping, squared rates."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
FIT = """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images, labels), 4, shuffle=True)
net = Net()
{before}
optimizer = {optimizer}
{after}
for epoch in range({epochs}):
    for i, (x, y) in enumerate(loader):
        {step}
    {end}
print(loss.item())
"""
SGD = "torch.optim.SGD(net.parameters(), lr=0.05)"
STEP = """loss = F.cross_entropy(net(x), y)
        {penalty}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()"""


def fit(step: str, **parts: str | int) -> str:
    usual = {"before": "", "optimizer": SGD, "after": "", "end": "pass", "epochs": 2}
    return FIT.format(step=step, **(usual | parts))


def penalty(text: str, **parts: str | int) -> str:
    return fit(STEP.format(penalty=text), **parts)


def cast(before: str, dtype: str, **parts: str | int) -> str:
    step = STEP.format(penalty="").replace("net(x)", f"net(x.to({dtype}))")
    return fit(step, before=before, **parts)


ACCUMULATE = """loss = F.cross_entropy(net(x), y)
        (loss / 2).backward()
        {each}
        if i % 2 == 1:
            {once}
            optimizer.step()
            optimizer.zero_grad()"""
CLIP = "nn.utils.clip_grad_norm_(net.parameters(), 0.1)"


def accumulate(each: str = "pass", once: str = "pass") -> str:
    return fit(ACCUMULATE.format(each=each, once=once))


def scheduled(after: str, **parts: str | int) -> str:
    return penalty("", after=after, end="scheduler.step()", epochs=3, **parts)


LAMBDA = "scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, {})"
L1 = "l1 = sum(p.abs().sum() for p in net.parameters())"
DECORATED = f"""
@torch.no_grad(){MARK}
def penalty_of(network):
    total = 0
    for p in network.parameters():
        total = total + (p ** 2).sum()
    return total
"""
KAHAN = """
class Kahan(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, dict(lr=lr))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                rest = self.state[p].setdefault("rest", torch.zeros_like(p, dtype=torch.float32))
                rest -= group["lr"] * p.grad.float()
                new = (p.float() + rest).to(p.dtype)
                rest -= new.float() - p.float()
                p.copy_(new)
"""

BROKEN = {
    "constant_weight_penalty": penalty(
        f"loss = loss + 1e-3 * sum(p.data.pow(2).sum() for p in net.parameters()){MARK}"
    ),
    "constant_weight_penalty.loop": penalty(
        "reg = torch.zeros(())\n        for name, p in net.named_parameters():\n"
        f"            if 'weight' in name:\n                reg += p.detach().abs().sum(){MARK}\n"
        "        loss += 1e-3 * reg"
    ),
    "constant_weight_penalty.state_dict": penalty(
        f"reg = sum(v.norm() for k, v in net.state_dict().items() if 'head' in k){MARK}\n"
        "        loss = loss + 0.01 * reg"
    ),
    "constant_weight_penalty.decorated": penalty(
        "loss = loss + 1e-3 * penalty_of(net)", before=DECORATED
    ),
    "constant_weight_penalty.tensor": penalty(
        f"loss = loss + 1e-3 * torch.tensor(net.head.weight.abs().sum()){MARK}"
    ),
    "number_in_loss.generator": penalty(
        f"reg = sum(p.pow(2).sum().item() for p in net.parameters()){MARK}\n"
        "        loss += 1e-3 * reg"
    ),
    "number_in_loss.loop": penalty(
        "reg = 0.0\n        for p in net.parameters():\n"
        f"            reg += p.norm().item(){MARK}\n        loss = loss + 1e-3 * reg"
    ),
    "updates_rounded_away": cast(
        f"net = net.to(torch.bfloat16){MARK}",
        "torch.bfloat16",
        optimizer="torch.optim.SGD(net.parameters(), lr=1e-4)",
    ),
    "updates_rounded_away.adam": cast(
        f"net.bfloat16(){MARK}",
        "torch.bfloat16",
        optimizer="torch.optim.AdamW(net.parameters(), lr=1e-5)",
    ),
    "updates_rounded_away.half": cast(
        f"net = net.half(){MARK}",
        "torch.float16",
        optimizer="torch.optim.SGD(net.parameters(), lr=1e-5, momentum=0.5)",
    ),
    "clips_before_all_gradients": accumulate(f"{CLIP}{MARK}"),
    "clips_before_all_gradients.from_import": fit(
        ACCUMULATE.format(
            each=f"clip_grad_norm_(net.parameters(), max_norm=0.05){MARK}", once="pass"
        ),
        before="from torch.nn.utils import clip_grad_norm_",
    ),
    "rate_is_multiplied_twice": scheduled(
        LAMBDA.format("lambda epoch: rate * 0.9 ** epoch") + MARK,
        before="rate = 0.02",
        optimizer="torch.optim.SGD(net.parameters(), lr=rate)",
    ),
    "rate_is_multiplied_twice.number": scheduled(
        LAMBDA.format("lr_lambda=[lambda e: 0.05 if e < 2 else 0.01]") + MARK
    ),
    "rate_is_multiplied_twice.function": scheduled(
        "def rate_at(epoch):\n    if epoch > 10:\n        return 0.005\n"
        f"    return 0.05 * 0.5 ** epoch{MARK}\n\n" + LAMBDA.format("rate_at")
    ),
}
HEALTHY = {
    "penalty": penalty(f"{L1}\n        loss = loss + 1e-3 * l1"),
    "penalty_reported": penalty(
        "reg = sum(p.data.norm() for p in net.parameters())\n        report = loss + reg"
    ),
    "penalty_with_decay": penalty(
        "loss = loss + 1e-3 * sum(p.data.pow(2).sum() for p in net.parameters())",
        optimizer="torch.optim.SGD(net.parameters(), lr=0.05, weight_decay=2e-3)",
    ),
    "value_replaced": penalty(f"{L1}\n        loss = loss + l1 - l1.detach()"),
    "weights_as_factor": penalty("loss = loss / net.head.weight.data.norm()"),
    "distance_to_old_weights": penalty(
        "loss = loss + sum(((p - o) ** 2).sum() for p, o in zip(net.parameters(), old))",
        before="old = [p.detach().clone() for p in net.parameters()]",
    ),
    "frozen_part": penalty(
        "loss = loss + 1e-3 * sum(p.data.norm() for p in other.parameters())",
        before="other = nn.Linear(3, 3)",
    ),
    "offset_of_data": penalty("loss = loss + x.detach().pow(2).mean()"),
    "flooding": penalty("loss = (loss - 0.1).abs() + 0.1"),
    "bfloat16_large_rate": cast(
        "net = net.to(torch.bfloat16)",
        "torch.bfloat16",
        optimizer="torch.optim.SGD(net.parameters(), lr=0.1)",
    ),
    "bfloat16_adam": cast(
        "net = net.to(torch.bfloat16)",
        "torch.bfloat16",
        optimizer="torch.optim.Adam(net.parameters(), lr=1e-2)",
    ),
    "small_rate_float32": penalty("", optimizer="torch.optim.SGD(net.parameters(), lr=1e-6)"),
    "bfloat16_with_compensation": cast(
        f"{KAHAN}\nnet = net.to(torch.bfloat16)",
        "torch.bfloat16",
        optimizer="Kahan(net.parameters(), 1e-4)",
    ),
    "bfloat16_warmup": cast(
        "net = net.to(torch.bfloat16)",
        "torch.bfloat16",
        optimizer="torch.optim.SGD(net.parameters(), lr=0.5)",
        after="scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1e-6, total_iters=2)",
        end="scheduler.step()",
        epochs=4,
    ),
    "clips_once": accumulate(once=CLIP),
    "clips_each_step": penalty("").replace("optimizer.step()", f"{CLIP}\n        optimizer.step()"),
    "norm_of_each": accumulate(
        "print(sum(p.grad.norm() for p in net.parameters()).item())", once=CLIP
    ),
    "clips_when_complete": accumulate(f"if i % 2 == 1:\n            {CLIP}"),
    "factor": scheduled(LAMBDA.format("lambda epoch: 0.9 ** epoch")),
    "factor_of_rates": scheduled(
        LAMBDA.format("lambda epoch: max(rate * 0.5 ** epoch, 1e-4) / rate"),
        before="rate = 0.02",
        optimizer="torch.optim.SGD(net.parameters(), lr=rate)",
    ),
    "rate_of_one": scheduled(
        LAMBDA.format("lambda epoch: 0.05 * 0.9 ** epoch"),
        optimizer="torch.optim.SGD(net.parameters(), lr=1.0)",
    ),
    "warmup_factor": scheduled(
        LAMBDA.format("lambda epoch: 0.05 if epoch < 1 else 1.0"),
    ),
    "long_warmup_factor": scheduled(
        LAMBDA.format("lambda epoch: 0.05 if epoch < 9 else 1.0"),
    ),
    "decay_by_tens": scheduled(
        LAMBDA.format("lambda epoch: 0.1 ** (epoch // 2)"),
        optimizer="torch.optim.SGD(net.parameters(), lr=0.1)",
    ),
}
KINDS = {
    "constant_weight_penalty": "training/graph_detached",
    "number_in_loss": "training/graph_detached",
    "updates_rounded_away": "dtype/half_vs_float",
    "clips_before_all_gradients": "training",
    "rate_is_multiplied_twice": "training/not_learning",
}


class TestPenaltyAndRoundingRules(ProgramChecks):
    """The mistakes are found, and healthy training that looks alike is clean."""
