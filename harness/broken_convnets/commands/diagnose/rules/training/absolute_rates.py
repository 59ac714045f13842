"""The function of a LambdaLR returns a factor, and not a learning rate."""

from __future__ import annotations

import ast
from math import isclose
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, location_in, require_success, site_of
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.schedulers import BuiltScheduler

ALIKE = 1e-6  # relative difference of two equal learning rates
Function = ast.Lambda | ast.FunctionDef


@rule(
    "the function of a LambdaLR returns a factor of the learning rate, not a learning rate",
    stays_quiet="unless the largest learning rate of the run is exactly the square of the one that "
    "the optimizer was constructed with, and the function reads that number",
)
def rate_is_multiplied_twice(evidence: Evidence) -> Iterator[Finding]:
    """Find `LambdaLR(optimizer, lambda epoch: lr * 0.9 ** epoch)`."""
    require_success(evidence)
    for number, built in enumerate(evidence.record.built_schedulers):
        if built.type != "LambdaLR" or not built.rates:
            continue
        base, peak = built.rates[0][0], _peak(evidence, number, built)
        site = site_of(evidence, built.places)
        if site is None or base >= 1 or not isclose(peak, base * base, rel_tol=ALIKE):
            continue
        reads = _reads_rate(evidence, site, base)
        if reads is None:
            continue
        text = site.source.text_of(reads)
        yield Finding(
            kind="training/not_learning",
            message="the learning rate is multiplied twice: LambdaLR multiplies what its function "
            "returns by the learning rate of the optimizer",
            evidence=f"the optimizer was constructed with {base:g}, and no step has more than "
            f"{peak:.3g}, which is its square: `{text}` is the learning rate again, and the "
            "function should return a factor that begins at 1",
            cause=location_in(site.source, reads),
            symptom=location(built.places),
            subject=text,
            confidence=8,
        )


def _peak(evidence: Evidence, number: int, built: BuiltScheduler) -> float:
    """Return the largest learning rate of the first group."""
    steps = (s for s in evidence.record.scheduler_steps if s.scheduler == number)
    return max([built.rates[0][1], *(s.learning_rates[0] for s in steps if s.learning_rates)])


def _reads_rate(evidence: Evidence, site: Site, base: float) -> ast.expr | None:
    """Return where the function of a scheduler reads the learning rate of the optimizer."""
    function = _function(site)
    if function is None:
        return None
    names = set(_rates(evidence))
    body = function.body if isinstance(function.body, list) else [function.body]
    nodes = [node for part in body for node in ast.walk(part)]
    for node in nodes:
        named = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        if isinstance(node, ast.expr) and named and site.source.text_of(node) in names:
            return node
    numbers = [node for node in nodes if isinstance(node, ast.Constant) and _is_value(site, node)]
    same = [n for n in numbers if isinstance(n.value, float) and isclose(n.value, base)]
    factor = next((n for n in same if _is_factor(site, n)), None)
    largest = max((float(str(n.value)) for n in numbers), default=base)
    return factor or (same[0] if same and largest <= base else None)


def _function(site: Site) -> Function | None:
    """Return the lambda or the function that a LambdaLR receives."""
    given = argument(site.call, "lr_lambda", 1)
    if isinstance(given, ast.List | ast.Tuple) and given.elts:
        given = given.elts[0]
    if isinstance(given, ast.Lambda):
        return given
    name = site.source.text_of(given).rpartition(".")[2] if given is not None else ""
    defined = [n for n in site.source.nodes if isinstance(n, ast.FunctionDef) and n.name == name]
    return defined[0] if len(defined) == 1 else None


def _rates(evidence: Evidence) -> Iterator[str]:
    """Yield the texts of the learning rates that optimizers are constructed with."""
    for built in evidence.record.built_optimizers:
        site = site_of(evidence, built.places)
        given = argument(site.call, "lr", 1) if site else None
        if site is not None and given is not None and not isinstance(given, ast.Constant):
            yield site.source.text_of(given)


def _is_value(site: Site, node: ast.Constant) -> bool:
    """Return whether a number is not compared with anything, and no exponent."""
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return False
    parent = site.source.parent(node)
    power = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
    return not power and not isinstance(parent, ast.Compare)


def _is_factor(site: Site, node: ast.Constant) -> bool:
    parent = site.source.parent(node)
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
