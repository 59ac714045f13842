"""The file of the best network is not written over."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.improvements import (
    CASE,
    STEPS,
    Improvement,
    improvements,
)
from broken_convnets.commands.diagnose.sites import assignments, location_in, require_success
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

BEST = "best"
CONDITIONS = (ast.For, ast.While, ast.If, ast.IfExp, ast.BoolOp)
LEAVING = (ast.Continue, ast.Break, ast.Return, ast.Raise)  # what follows depends on the score


@rule(
    "the file of the best network is written only when a score improves",
    stays_quiet="unless a loop keeps the best score, and saves the network in each turn to a file "
    "that is called the best one, or to the one that the branch for improvements saves it to",
)
def best_file_is_overwritten(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.save(net.state_dict(), "best.pt")` behind the `if` instead of inside."""
    require_success(evidence)
    if evidence.record.optimizer_steps.count < STEPS:
        return
    for found in improvements(evidence):
        if found.branch.orelse and isinstance(found.branch.orelse[-1], LEAVING):
            continue
        source, inside = found.source, set(ast.walk(found.branch))
        calls = [node for node in ast.walk(found.loop) if isinstance(node, ast.Call)]
        saves = [one for one in calls if called_name(one) == "save" and _path(source, one)]
        within = {_path(source, one) for one in saves if one in inside}
        for call in saves:
            path, owner = _path(source, call), source.enclosing(call, CONDITIONS)
            named = not within and BEST in _file(source, call).lower()
            if call in inside or owner is not found.loop or _is_skipped(found, call):
                continue
            if not _is_network(source, call) or not (named or path in within):
                continue
            if _is_best(found, call) or _changes(found, call):
                continue
            yield _overwritten(found, call, path)
            return


def _overwritten(found: Improvement, call: ast.Call, path: str) -> Finding:
    test = found.source.text_of(found.branch.test)
    return Finding(
        kind=CASE,
        message="the file of the best network is written in each turn of the loop: at the end it "
        "has the last network",
        evidence=f"`{found.source.text_of(call)}` does not depend on `{test}`, which finds out "
        f"whether the score is the best one so far; save to {path} in that branch only",
        cause=location_in(found.source, call),
        symptom=location_in(found.source, found.branch),
        subject=found.source.text_of(call),
        cases=(CASE,),
        confidence=7,
    )


def _path(source: Source, call: ast.Call) -> str:
    given = argument(call, "f", 1)
    return source.text_of(given) if given is not None else ""


def _is_skipped(found: Improvement, call: ast.Call) -> bool:
    """Return whether a call is before the branch, or a `continue` may come between both."""
    lines = range(found.branch.lineno, call.lineno)
    return not lines or any(
        isinstance(node, ast.Continue) and node.lineno in lines for node in ast.walk(found.loop)
    )


def _is_network(source: Source, call: ast.Call) -> bool:
    """Return whether what is saved is a network that the file calls, or has the state of one."""
    texts = {source.text_of(one) for one in _parts(call.args[0] if call.args else None)}
    scopes = (source.function_of(call) or source.tree, source.tree)
    made = (
        one.value for text in texts for scope in scopes for one in assignments(source, text, scope)
    )
    states = " ".join([*texts, *map(source.text_of, made)])
    saved = {text for text in texts if f"{text}(" not in " ".join(texts)}
    called = {source.text_of(n.func) for n in source.expressions if isinstance(n, ast.Call)}
    return "state_dict(" in states or not called.isdisjoint(saved)


def _is_best(found: Improvement, call: ast.Call) -> bool:
    """Return whether what is saved is called the best, or bound in the branch for improvements."""
    saved = call.args[0] if call.args else None
    text = found.source.text_of(saved) if saved else ""
    bound = {
        found.source.text_of(target)
        for node in ast.walk(found.branch)
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    return BEST in text.lower() or any(found.source.text_of(one) in bound for one in _parts(saved))


def _changes(found: Improvement, call: ast.Call) -> bool:
    """Return whether the name of the file depends on what the loop binds, as on the epoch."""
    bound = {
        node.id
        for node in ast.walk(found.loop)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    read = {node.id for node in _parts(argument(call, "f", 1)) if isinstance(node, ast.Name)}
    return not read.isdisjoint(bound)


def _parts(node: ast.expr | None) -> list[ast.expr]:
    return [one for one in ast.walk(node) if isinstance(one, ast.expr)] if node else []


def _file(source: Source, call: ast.Call) -> str:
    """Return the last part of the path that a call saves to, and of what its name is assigned."""
    path = _path(source, call)
    scopes = [source.function_of(call) or source.tree, source.tree]
    known = [one.value for scope in scopes for one in assignments(source, path, scope)]
    given = argument(call, "f", 1)
    return " ".join(_last_part(source, one) for one in (given, *known) if one)


def _last_part(source: Source, path: ast.expr) -> str:
    """Return the text of the last part of a path that is joined of several."""
    while isinstance(path, ast.BinOp) or (isinstance(path, ast.Call) and path.args):
        path = path.right if isinstance(path, ast.BinOp) else path.args[-1]
    return source.text_of(path).rpartition("/")[2]
