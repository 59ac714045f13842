"""The return of a step is the sum of the rewards from that step on."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.policies import results_of
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

BACKWARD = re.compile(
    r"reversed|::\s*-1|\.reverse\(|\bflip\w*\(|range\([^\n]*-1\s*\)|appendleft|\.pop\(\)"
)
REWARD = re.compile(r"reward|(?<![a-z])(r|rs|rew|rews)(?![a-z])", re.IGNORECASE)
STATISTICS = frozenset(
    {"std", "var", "pstdev", "stdev", "variance", "mean", "median", "max", "min"}
)
STATISTICS |= {"sum", "len", "print", "plot"}


@dataclass(frozen=True)
class Recursion:
    """`R = r + gamma * R` in a loop over rewards, and the statement that keeps each `R`."""

    source: Source
    loop: ast.For
    name: str
    update: ast.Assign
    keeps: ast.Call


@rule(
    "the return of a step is the sum of the rewards from that step on",
    stays_quiet="unless a policy gradient trains with log-probabilities, and the only loop over "
    "rewards that computes R = r + gamma * R and keeps each R in a list runs forwards, or runs "
    "backwards and appends, where nothing reverses the list afterwards; about lists of "
    "which only statistics are used, and lists whose first items come last",
)
def returns_in_wrong_order(evidence: Evidence) -> Iterator[Finding]:
    """Find `for r in rewards: R = r + gamma * R; returns.append(R)`."""
    require_success(evidence)
    if not any(evidence.flow.backward_passes_from([v]) for v in results_of(evidence, "log_prob")):
        return
    found = [one for source in evidence.user_sources for one in _recursions(source)]
    if len(found) != 1:
        return
    one = found[0]
    backwards = bool(BACKWARD.search(one.source.text_of(one.loop.iter)))
    if _is_reversed_elsewhere(one) or _is_read_from_the_end(one) or _is_measured(one):
        return
    if backwards and (called_name(one.keeps) == "insert" or _keeps_more(one)):
        return
    update, kept = one.source.text_of(one.update), one.source.text_of(one.keeps)
    cause: ast.stmt | ast.expr = one.keeps if backwards else one.loop
    yield Finding(
        kind="loss/wrong_loss",
        message="the returns are in the reverse order of the steps"
        if backwards
        else "the return of each step is computed from the rewards before it",
        evidence=f"`{kept}` puts the return of the last step first, and nothing reverses the list: "
        "each action is weighted by the return of another step"
        if backwards
        else f"`{update}` runs over the rewards from the first to the last one: an action is "
        "weighted by rewards that it cannot change; run over them from the end, with reversed()",
        cause=location_in(one.source, cause),
        symptom=location_in(one.source, one.update),
        subject=update,
        confidence=7,
    )


def _recursions(source: Source) -> Iterator[Recursion]:
    for loop in source.statements:
        if not isinstance(loop, ast.For) or not REWARD.search(source.text_of(loop.iter)):
            continue
        for update in loop.body:
            name = _discounted(update, loop)
            keeps = _keeping(loop, name) if name else None
            if keeps is not None and isinstance(update, ast.Assign):
                yield Recursion(source, loop, name, update, keeps)


def _discounted(update: ast.stmt, loop: ast.For) -> str:
    """Return the `R` of `R = r + gamma * R`, where the loop sets `r`; else nothing."""
    value = update.value if isinstance(update, ast.Assign) else None
    target = update.targets[0] if isinstance(update, ast.Assign) else None
    if not isinstance(target, ast.Name) or not isinstance(value, ast.BinOp):
        return ""
    own = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    for reward, rest in ((value.left, value.right), (value.right, value.left)):
        names = {n.id for n in ast.walk(reward) if isinstance(n, ast.Name)}
        plain = isinstance(reward, ast.Name | ast.Subscript) and names & own
        factors = [n.id for n in ast.walk(rest) if isinstance(n, ast.Name)]
        product = isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Mult)
        if isinstance(value.op, ast.Add) and plain and product and target.id in factors:
            return target.id
    return ""


def _keeping(loop: ast.For, name: str) -> ast.Call | None:
    """Return the call in a loop that adds a variable to a list."""
    for statement in loop.body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and called_name(call) in {"append", "insert"} and call.args:
            last = call.args[-1]
            if isinstance(last, ast.Name) and last.id == name:
                return call
    return None


def _is_reversed_elsewhere(one: Recursion) -> bool:
    """Return whether other code of the file reverses anything."""
    own = one.source.text_of(one.loop.iter)
    return bool(BACKWARD.search(one.source.text.replace(own, "", 1)))


def _uses(one: Recursion) -> list[ast.expr]:
    """Return where the list of the kept returns is read."""
    keeps = one.keeps.func
    assert isinstance(keeps, ast.Attribute)  # noqa: S101  (for the type checker)
    text = one.source.text_of(keeps.value)
    return [
        node
        for node in one.source.expressions
        if node is not keeps.value
        and isinstance(node, ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and one.source.text_of(node) == text
    ]


def _is_read_from_the_end(one: Recursion) -> bool:
    """Return whether items are put in front, or the returns are indexed from the end."""
    in_front = re.compile(rf"\.insert\(\s*0\s*,(?!\s*{re.escape(one.name)}\s*\))")
    items = (one.source.parent(use) for use in _uses(one))
    return bool(in_front.search(one.source.text)) or any(
        isinstance(node, ast.Sub | ast.USub)
        for item in items
        if isinstance(item, ast.Subscript)
        for node in ast.walk(item.slice)
    )


def _is_measured(one: Recursion) -> bool:
    """Return whether only statistics of the list are used, as to scale the rewards, or to print."""
    uses = _uses(one)
    return bool(uses) and all(
        any(isinstance(node, ast.Call) and called_name(node) in STATISTICS for node in around)
        for around in map(one.source.ancestors, uses)
    )


def _keeps_more(one: Recursion) -> bool:
    """Return whether the loop keeps something else too, which then has the same order."""
    calls = [node for node in ast.walk(one.loop) if isinstance(node, ast.Call)]
    return sum(called_name(call) in {"append", "insert"} for call in calls) > 1
