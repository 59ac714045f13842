"""A loop that accumulates gradients, and steps one batch too early, loses the last batches."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.sites import candidates, location, location_in, site_of

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, OptimizerStep

SHOWN = 8  # steps whose numbers of batches are shown


def uneven_steps(evidence: Evidence, step: OptimizerStep) -> list[int]:
    """Return how many backward passes each step of an optimizer uses; nothing if always one."""
    own = set(step.parameters)
    counts = [
        len({number for key in own for number in one.holds.get(key, ())})
        for one in evidence.record.optimizer_steps
        if own & set(one.parameters)
    ]
    return counts if max(counts, default=0) > 1 else []


def early_step(
    evidence: Evidence, step: OptimizerStep, passes: list[BackwardPass], counts: list[int]
) -> Finding:
    """Return the finding about steps that use 1 batch, where others use several."""
    site = site_of(evidence, step.places)
    test = site.source.enclosing(site.statement, ast.If) if site else None
    shown = ", ".join(map(str, counts[:SHOWN])) + (", ..." if len(counts) > SHOWN else "")
    lost = len(passes)
    return Finding(
        kind="training/not_learning",
        message=f"some steps use the gradients of 1 batch, and others those of {max(counts)}",
        evidence=f"the steps use {shown} batches; at step {step.number + 1}, the gradients of "
        f"{lost} {'batch' if lost == 1 else 'batches'} since the step before were cleared",
        severity=Severity.WARNING,
        cause=location_in(site.source, test) if site and test else location(step.places),
        symptom=location(step.places),
        subject=step.places[0].text if step.places else "",
        candidates=_one_later(site.source, test) if site and test else (),
        confidence=6,
    )


def _one_later(source: Source, test: ast.If) -> tuple[Candidate, ...]:
    """Return the change of `i % n == 0` into `(i + 1) % n == 0`."""
    for node in ast.walk(test.test):
        if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.BinOp):
            continue
        compared = node.comparators[0]
        to_zero = isinstance(compared, ast.Constant) and compared.value == 0
        if to_zero and isinstance(node.left.op, ast.Mod) and isinstance(node.left.left, ast.Name):
            counter = node.left.left
            change = [(counter, f"({source.text_of(counter)} + 1)")]
            return candidates((0, partial(edits.replace, source, change)))
    return ()
