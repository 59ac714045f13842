"""ReduceLROnPlateau knows whether its metric should rise or fall."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import (
    assigned_value,
    scope_of,
    unwrapped,
)
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.schedulers import SchedulerStep

WORDS = {  # of names: the mode of a scheduler that steps with such a metric
    "max": re.compile(r"acc|accuracy|f1|iou|miou|dice|auc|recall|precision|psnr|ssim"),
    "min": re.compile(r"loss|losses|error|err|mse|mae|rmse|nll|ce|bce"),
}
MEANS = frozenset({"mean", "sum", "average", "round", "fmean"})
DEPTH = 3  # of variables that a metric is computed from
TOKENS = re.compile(r"[A-Za-z][a-z0-9]*|[A-Z0-9]+")


@rule(
    "ReduceLROnPlateau lowers the learning rate when its metric stops improving",
    stays_quiet="unless the name of the metric says whether it should rise, and the learning rate "
    "fell while it was at its best",
)
def plateau_in_the_wrong_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find mode `min` with an accuracy, and mode `max` with a loss."""
    require_success(evidence)
    for number, built in enumerate(evidence.record.built_schedulers):
        steps = [one for one in evidence.record.scheduler_steps if one.scheduler == number]
        name = _metric_name(evidence, steps) if built.mode else ""
        right = _mode_of(name)
        lowered = _lowered_at_best(steps, right) if right not in {"", built.mode} else None
        if lowered is None:
            continue
        before, at = lowered
        site = site_of(evidence, built.places)
        yield Finding(
            kind="training/plateau_metric",
            message=f'ReduceLROnPlateau has mode="{built.mode}", and `{name}` should '
            f"{'rise' if right == 'max' else 'fall'}",
            evidence=f"the learning rate fell from {before.learning_rates[0]:g} to "
            f"{at.learning_rates[0]:g} at step {steps.index(at) + 1}, when `{name}` was "
            f"{at.metric:.4g}, its best so far",
            cause=location(built.places),
            symptom=location(at.places),
            subject=name,
            cases=("training/plateau_scheduler_without_metric",),
            candidates=_in_mode(site, right) if site else (),
            confidence=8,
        )


def _in_mode(site: Site, mode: str) -> tuple[Candidate, ...]:
    change = partial(edits.set_argument, site.source, site.call, "mode", 1, f'"{mode}"')
    return candidates((0, change))


def _metric_name(evidence: Evidence, steps: Sequence[SchedulerStep]) -> str:
    """Return the text of the value that step() receives, or of the one that it was computed from.

    Empty if neither has a telling name, or if more than its scale changes in between.
    """
    site = site_of(evidence, steps[0].places) if steps else None
    metric = argument(site.call, "metrics", 0) if site else None
    for _ in range(DEPTH):
        if site is None or metric is None:
            break
        metric = _measured(metric)
        simple = isinstance(metric, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
        text = site.source.text_of(metric.func if isinstance(metric, ast.Call) else metric)
        if not simple or _mode_of(text):
            return text if simple else ""
        scope = scope_of(site.source, site.call)
        metric = assigned_value(metric, scope) if isinstance(metric, ast.Name) else None
    return ""


def _measured(node: ast.expr) -> ast.expr:
    """Return what a value is a conversion or a mean of: `loss` for `float(sum(loss) / n)`."""
    while True:
        inner = unwrapped(node)
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div):
            inner = inner.left
        elif isinstance(inner, ast.Call) and called_name(inner) in MEANS:
            function = inner.func
            own = function.value if isinstance(function, ast.Attribute) else inner
            inner = inner.args[0] if inner.args else own
        if inner is node:
            return node
        node = inner


def _mode_of(name: str) -> str:
    """Return the mode that the words of a name ask for; empty if none does, or both do."""
    words = {word.lower() for word in TOKENS.findall(name)}
    modes = [mode for mode, known in WORDS.items() if any(map(known.fullmatch, words))]
    return modes[0] if len(modes) == 1 else ""


def _lowered_at_best(
    steps: Sequence[SchedulerStep], right: str
) -> tuple[SchedulerStep, SchedulerStep] | None:
    """Return two steps between which the learning rate fell, the metric at its best by then."""
    sign = 1 if right == "max" else -1
    for index in range(1, len(steps)):
        before, at = steps[index - 1], steps[index]
        known = [sign * one.metric for one in steps[: index + 1] if one.metric is not None]
        improved = len(known) > index and known[-1] == max(known) and known[-1] > known[0]
        if improved and at.learning_rates < before.learning_rates:
            return before, at
    return None
