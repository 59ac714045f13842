"""A new learning rate reaches the optimizer: changing a variable changes no optimizer."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import scope_of
from broken_convnets.commands.diagnose.sites import location_in, require_success, site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.optimization import BuiltOptimizer

POSITION = 1  # of the learning rate among an optimizer's arguments
ARITHMETIC = frozenset({"min", "max", "pow", "float", "cos", "exp", "sqrt"})
CONSTANTS = frozenset({"math.pi", "np.pi", "math.e"})
SHOWING = frozenset({"print", "info", "log", "debug", "write", "add_scalar"})


@rule(
    "a learning rate that a loop changes is given to the optimizer",
    stays_quiet="unless a loop computes a new number for the variable that the optimizer was "
    "constructed with, nothing but messages reads it, and nothing else changes the rate",
)
def rate_only_in_a_variable(evidence: Evidence) -> Iterator[Finding]:
    """Find `lr *= 0.1` in the loop over epochs, which the optimizer does not see."""
    require_success(evidence)
    for built in evidence.record.built_optimizers:
        site = site_of(evidence, built.places)
        rate = argument(site.call, "lr", POSITION) if site else None
        if site is None or not isinstance(rate, ast.Name) or site.source.loops_around(site.call):
            continue
        if _is_changed(evidence, built) or "param_groups" in site.source.text:
            continue  # the variable may repeat what the optimizer got
        change = _change(site, rate.id)
        if change is not None:
            text = site.source.text_of(change)
            yield Finding(
                kind="training/not_learning",
                message=f"`{text}` changes a variable, and not the learning rate of the optimizer",
                evidence=f"the optimizer got the number that {rate.id} had when it was "
                'constructed, and nothing else reads the new one; set param_groups[...]["lr"], or '
                "use a scheduler",
                cause=location_in(site.source, change),
                symptom=location_in(site.source, site.call),
                subject=text,
                confidence=7,
            )


def _is_changed(evidence: Evidence, built: BuiltOptimizer) -> bool:
    """Return whether a scheduler exists, or the rate of the optimizer is another one later."""
    steps = (s for s in evidence.record.optimizer_steps if s.parameters == built.parameters)
    rates = {step.learning_rates for step in steps}
    return rates != {built.learning_rates} or bool(evidence.record.built_schedulers.count)


def _change(site: Site, name: str) -> ast.stmt | None:
    """Return the assignment in a later loop, if nothing but messages reads the variable there."""
    source, scope = site.source, scope_of(site.source, site.call)
    named = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == name]
    later = [n for n in named if n.lineno > site.statement.lineno]
    stores = [n for n in named if isinstance(n.ctx, ast.Store) and scope_of(source, n) is scope]
    changes = [source.statement_of(n) for n in stores]
    if not all(one is not None and _is_number(source, one, name) for one in changes):
        return None
    own = {id(statement) for statement in changes}
    inner = [n for n in named if scope_of(source, n) is not scope or _in_lambda(source, n)]
    reads = [n for n in (*later, *inner) if isinstance(n.ctx, ast.Load)]
    others = [
        n for n in reads if id(source.statement_of(n)) not in own and not _is_shown(source, n)
    ]
    found = (one for one in changes if one is not None and one.lineno > site.statement.lineno)
    first = next((one for one in found if source.loops_around(one)), None)
    return None if others else first


def _is_number(source: Source, statement: ast.stmt, name: str) -> bool:
    """Return whether a statement assigns a number that it computes from numbers alone."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return False
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    value = statement.value
    if isinstance(targets[0], ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(targets[0].elts, value.elts, strict=False)
        value = next((v for t, v in pairs if source.text_of(t) == name), None)
    elif [source.text_of(one) for one in targets] != [name]:
        return False
    if value is None or not source.loops_around(statement):
        return value is not None and not isinstance(value, ast.Call)  # it may be a tensor
    return _is_arithmetic(source, value)


def _is_arithmetic(source: Source, value: ast.expr) -> bool:
    """Return whether an expression has no parts but numbers, variables and known functions."""
    known = (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare)
    parts = [node for node in ast.walk(value) if isinstance(node, ast.expr)]
    calls = [node for node in parts if isinstance(node, ast.Call)]
    functions = {id(node.func) for node in calls}
    others = [n for n in parts if not isinstance(n, (*known, ast.Call)) and id(n) not in functions]
    constant = all(source.text_of(one) in CONSTANTS for one in others)
    return constant and all(called_name(call) in ARITHMETIC for call in calls)


def _in_lambda(source: Source, node: ast.Name) -> bool:
    return source.enclosing(node, ast.Lambda) is not None


def _is_shown(source: Source, node: ast.Name) -> bool:
    """Return whether a variable is only read to print or log it."""
    statement = source.statement_of(node)
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and called_name(call) in SHOWING
