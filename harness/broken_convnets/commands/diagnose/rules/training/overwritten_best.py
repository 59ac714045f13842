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
        source, inside = found.source, set(ast.walk(found.branch))
        calls = [node for node in ast.walk(found.loop) if isinstance(node, ast.Call)]
        saves = [one for one in calls if called_name(one) == "save" and _path(source, one)]
        within = {_path(source, one) for one in saves if one in inside}
        for call in saves:
            path, owner = _path(source, call), source.enclosing(call, (ast.For, ast.While, ast.If))
            named = not within and BEST in _resolved(source, call).lower()
            if call in inside or owner is not found.loop or call.lineno < found.branch.lineno:
                continue
            if BEST in _saved(source, call).lower() or not (named or path in within):
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


def _saved(source: Source, call: ast.Call) -> str:
    return source.text_of(call.args[0]) if call.args else ""


def _resolved(source: Source, call: ast.Call) -> str:
    """Return the text of the file that a call saves to, with what its name is assigned."""
    path = _path(source, call)
    scopes = [source.function_of(call) or source.tree, source.tree]
    known = [one for scope in scopes for one in assignments(source, path, scope)]
    return " ".join([path, *(source.text_of(one.value) for one in known)])
