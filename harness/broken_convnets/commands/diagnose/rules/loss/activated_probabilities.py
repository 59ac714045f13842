"""The scores of a loss become probabilities once: no sigmoid or softmax follows another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import (
    origin_of,
    producer,
    removals,
    shown,
)
from broken_convnets.commands.diagnose.sites import candidates, location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator

PROBABILITIES = frozenset({"sigmoid", "sigmoid_", "softmax"})
ACTIVATED = PROBABILITIES | {"log_softmax", "logsigmoid"}
# Operators of layers: a loss does not read their results directly.
LAYERS = frozenset(
    {"linear", "matmul", "__matmul__", "bmm", "mm", "einsum", "embedding", "interpolate", "cat"}
    | {f"{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)}
    | {"scaled_dot_product_attention", "multi_head_attention_forward", "batch_norm", "layer_norm"}
)


@rule(
    "scores become probabilities once before they reach a loss",
    stays_quiet="unless a sigmoid or softmax receives what another one returns, unchanged, and a "
    "loss is computed from it without another layer in between",
)
def probabilities_activated(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.sigmoid(p)` in a loss, of what a softmax returned. Two of a kind are known."""
    require_success(evidence)
    seen: set[object] = set()
    for second in evidence.record.operators:
        if second.name not in ACTIVATED or not second.inputs or not second.places:
            continue
        first = producer(evidence, second.inputs[0])
        if first is None or first.name not in PROBABILITIES or second.places[0] in seen:
            continue
        if first.name.rstrip("_") == second.name.rstrip("_"):
            continue  # activation_twice has it
        if _is_in_loss(evidence, second):
            seen.add(second.places[0])
            yield _finding(evidence, first, second)


def _is_in_loss(evidence: Evidence, operator: Operator) -> bool:
    """Return whether a backward pass depends on the result, which no layer reads."""
    flow = evidence.flow
    if not any(value in flow.reaching_backward for value in operator.outputs):
        return False
    later = flow.descendants(operator.outputs)
    return not any(user.name in LAYERS for value in later for user in flow.consumers(value))


def _finding(evidence: Evidence, first: Operator, second: Operator) -> Finding:
    one, other = first.name.rstrip("_"), second.name.rstrip("_")
    if "sigmoid" in other:
        effect = "a sigmoid of numbers from 0 to 1 is between 0.5 and 0.73"
    else:
        effect = "a softmax of numbers from 0 to 1 makes one at most e = 2.7 times another"
    return Finding(
        kind="training/softmax_before_ce",
        message=f"{other} is applied to the probabilities that {one} returned",
        evidence=f"the loss depends on `{second.places[0].text}`, whose input comes from {one} at "
        f"{shown(origin_of(evidence, first))}; {effect}, so the loss stays far from its minimum",
        violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
        cause=location(second.places),
        symptom=location(origin_of(evidence, first)),
        subject=f"{other} after {one}",
        cases=("loss/sigmoid_before_bce_with_logits",),
        candidates=candidates(*removals(evidence, second), *removals(evidence, first, 1)),
        confidence=7,
    )
