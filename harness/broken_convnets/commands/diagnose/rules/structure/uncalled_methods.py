"""Methods are called, not only named."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

KINDS = {
    "eval": "training/forgot_eval",
    "train": "training/forgot_train_after_val",
    "zero_grad": "training/missing_zero_grad",
    "step": "training/not_learning",
    "backward": "training/not_learning",
    "half": "none/method_not_called",
    "float": "none/method_not_called",
    "double": "none/method_not_called",
    "cuda": "device/model_on_cpu",
    "cpu": "none/method_not_called",
    "detach_": "none/method_not_called",
    "requires_grad_": "training/frozen_layers",
}


@rule(
    "methods of networks and optimizers are called, with parentheses",
    stays_quiet="about expressions that are part of another one",
)
def method_only_named(evidence: Evidence) -> Iterator[Finding]:
    """Find statements like `net.eval` that only name a method."""
    for source in evidence.user_sources:
        for node in source.statements:
            named = node.value if isinstance(node, ast.Expr) else None
            if not isinstance(named, ast.Attribute) or named.attr not in KINDS:
                continue
            text = source.text_of(named)
            yield Finding(
                kind=KINDS[named.attr],
                message=f"{text} is not called: the parentheses are missing",
                evidence=f"the statement {text} reads the method and does nothing with it",
                cause=Location(source.path, node.lineno),
                subject=f"{text}:{node.lineno}",
                cases=("none/method_not_called",),
                candidates=candidates((0, partial(edits.replace, source, [(node, f"{text}()")]))),
                confidence=9,
            )
