"""The network of the best epoch is kept as a copy, and its file is not written over."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.kept_state import ORDER, is_used_outside
from broken_convnets.commands.diagnose.sites import (
    Site,
    assignments,
    candidates,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument, called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

CASE = "state/best_state_not_copied"
STEPS = 2  # of optimizers, at least
BEST = "best"


@dataclass(frozen=True)
class Improvement:
    """An `if` in a loop that compares a score with the best one, and keeps the score."""

    source: Source
    branch: ast.If
    loop: ast.For | ast.While


@dataclass(frozen=True)
class Kept:
    """`best = net` in the branch of an improvement."""

    found: Improvement
    statement: ast.Assign
    target: ast.expr
    value: ast.expr


@rule(
    "the network that a program keeps as its best one is a copy",
    stays_quiet="unless a branch in the loop that trains a network keeps the score that it "
    "compares, binds another name to the network, and this name is read elsewhere; if the loop "
    "makes a new network in each turn",
)
def best_network_is_the_last(evidence: Evidence) -> Iterator[Finding]:
    """Find `best_net = net` where `copy.deepcopy(net)` is meant."""
    require_success(evidence)
    if evidence.record.optimizer_steps.count < STEPS:
        return
    called = _called(evidence)
    for found in _improvements(evidence):
        for kept in _bindings(found):
            name = found.source.text_of(kept.value)
            ends = any(isinstance(n, ast.Break | ast.Return) for n in ast.walk(found.branch))
            if (found.source.path, name) not in called or ends or _is_new(found, name):
                continue
            target = found.source.text_of(kept.target)
            site = Site(found.source, kept.value, kept.statement)  # type: ignore[arg-type]
            if not is_used_outside(site, found.branch, target):
                continue
            yield Finding(
                rule="best_network_is_the_last",
                kind=CASE,
                message=f"`{target}` is the network itself, which goes on to train: copy it",
                evidence=f"`{found.source.text_of(kept.statement)}` binds a second name to "
                f"`{name}`, and the loop goes on to change its weights: at the end `{target}` has "
                "those of the last epoch",
                violates=(Law.RETURNED_STATE_IS_A_COPY,),
                cause=location_in(found.source, kept.statement),
                symptom=location_in(found.source, found.branch),
                subject=found.source.text_of(kept.statement),
                cases=(CASE,),
                candidates=candidates((0, partial(_copied, found.source, kept.value))),
                confidence=8,
            )
            return


def _copied(source: Source, value: ast.expr) -> edits.Patch:
    """Copy the network with the function that the file imports; raises EditError if it does not."""
    imported = {a.name for n in source.nodes if isinstance(n, ast.Import) for a in n.names}
    if "copy" not in imported:
        message = "the file does not import copy"
        raise edits.EditError(message)
    return edits.replace(source, [(value, f"copy.deepcopy({source.text_of(value)})")])


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
    for found in _improvements(evidence):
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
        rule="best_file_is_overwritten",
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


def _called(evidence: Evidence) -> set[tuple[str, str]]:
    """Return the files and the texts of the networks that run and train."""
    stepped = {number for s in evidence.record.optimizer_steps for number in s.changed}
    found: set[tuple[str, str]] = set()
    for forward in evidence.record.passes:
        for place in forward.places[:1] if stepped.intersection(forward.parameters) else ():
            site = site_of(evidence, (place,))
            if site is not None:
                found.add((site.source.path, site.called))
    return found | _passed_on(evidence, found)


def _passed_on(evidence: Evidence, called: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the names that a file passes to functions of its own as one of the called names."""
    found: set[tuple[str, str]] = set()
    for source in evidence.user_sources:
        functions = {n.name: n for n in source.nodes if isinstance(n, ast.FunctionDef)}
        for call in (n for n in source.nodes if isinstance(n, ast.Call)):
            function = functions.get(called_name(call))
            names = [one.arg for one in function.args.args] if function else []
            for name, given in zip(names, call.args, strict=False):
                if (source.path, name) in called and isinstance(given, ast.Name | ast.Attribute):
                    found.add((source.path, source.text_of(given)))
    return found


def _improvements(evidence: Evidence) -> Iterator[Improvement]:
    """Yield the branches in loops that keep the score that they compare."""
    for source in evidence.user_sources:
        for branch in source.statements:
            tests = list(ast.walk(branch.test)) if isinstance(branch, ast.If) else []
            compared = [
                n for n in tests if isinstance(n, ast.Compare) and isinstance(n.ops[0], ORDER)
            ]
            loops = source.loops_around(branch)
            if not isinstance(branch, ast.If) or not compared or not loops:
                continue
            names = {source.text_of(s) for s in (compared[0].left, *compared[0].comparators)}
            kept = {(t, v) for s in branch.body for t, v in _pairs(s)}
            if any({source.text_of(t), source.text_of(v)} == names for t, v in kept):
                yield Improvement(source, branch, loops[0])


def _bindings(found: Improvement) -> Iterator[Kept]:
    for statement in found.branch.body:
        for target, value in _pairs(statement):
            plain = isinstance(value, ast.Name | ast.Attribute)
            if plain and isinstance(statement, ast.Assign):
                yield Kept(found, statement, target, value)


def _pairs(statement: ast.stmt) -> list[tuple[ast.expr, ast.expr]]:
    """Return the targets and the values of an assignment, also of tuples."""
    if not isinstance(statement, ast.Assign):
        return []
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=False))
    return [(target, value)]


def _is_new(found: Improvement, name: str) -> bool:
    """Return whether the loop binds the name of the network anew."""
    return any(
        isinstance(node, ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and found.source.text_of(node) == name
        for loop in found.source.loops_around(found.branch)
        for node in ast.walk(loop)
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
