"""An overridden train() reaches the layers inside."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.recorder.places import is_user_file
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.structure import ModuleFacts


@rule(
    "an overridden train() passes the mode on to the layers inside",
    stays_quiet="if it calls train() of its base class, or train() with the mode itself",
)
def train_override_skips_layers(evidence: Evidence) -> Iterator[Finding]:
    """Find classes whose train() and eval() reach no layer."""
    seen: set[tuple[str, int]] = set()
    for structure in evidence.record.structures:
        for module in structure.modules:
            key = module.train_file, module.train_line
            if not module.modal_children or key in seen or not is_user_file(module.train_file):
                continue
            seen.add(key)
            yield from _checked_override(evidence, module)


def _checked_override(evidence: Evidence, module: ModuleFacts) -> Iterator[Finding]:
    source = evidence.source(module.train_file)
    function = source.function_named("train", module.train_line) if source else None
    if source is None or function is None or len(function.args.args) > 2:  # noqa: PLR2004  (self, mode)
        return
    mode = function.args.args[1].arg if len(function.args.args) > 1 else ""
    if _passes_on(function):
        return
    body = [s for s in function.body if not _is_docstring(s)] or function.body
    yield Finding(
        kind="training/overrides_train_method",
        message=f"{module.type}.train() does not call super().train()",
        evidence=f"train() and eval() of {module.path or 'the network'} do not reach its dropout "
        "and normalization layers",
        violates=(Law.INFERS_IN_EVAL_MODE, Law.DETERMINISTIC_IN_EVAL),
        cause=Location(source.path, function.lineno),
        subject=module.type,
        module=module.path,
        cases=("training/train_override_skips_head",),
        candidates=candidates(
            (0, lambda: edits.insert_before(source, body[0], f"super().train({mode})"))
        ),
        confidence=9,
    )


def _passes_on(function: ast.FunctionDef) -> bool:
    """Return whether train() calls a train() with anything but a constant."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and called_name(node) == "train":
            constant = bool(node.args) and isinstance(node.args[0], ast.Constant)
            if not constant:
                return True
    return False


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
