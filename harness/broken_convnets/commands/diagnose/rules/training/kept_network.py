"""The network of the best epoch is kept as a copy."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.improvements import (
    CASE,
    STEPS,
    Improvement,
    improvements,
    pairs_of,
)
from broken_convnets.commands.diagnose.rules.training.kept_state import is_used_outside
from broken_convnets.commands.diagnose.sites import (
    Site,
    candidates,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


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
    "makes a new network in each turn, or the best weights are loaded into it",
)
def best_network_is_the_last(evidence: Evidence) -> Iterator[Finding]:
    """Find `best_net = net` where `copy.deepcopy(net)` is meant."""
    require_success(evidence)
    if evidence.record.optimizer_steps.count < STEPS:
        return
    called = _called(evidence)
    for found in improvements(evidence):
        for kept in _bindings(found):
            name = found.source.text_of(kept.value)
            ends = any(isinstance(n, ast.Break | ast.Return) for n in ast.walk(found.branch))
            if (found.source.path, name) not in called or ends or _is_new(found, name):
                continue
            target = found.source.text_of(kept.target)
            site = Site(found.source, kept.value, kept.statement)  # type: ignore[arg-type]
            if not is_used_outside(site, found.branch, target):
                continue
            if _is_loaded(found, {target, name}):
                continue
            yield Finding(
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


def _bindings(found: Improvement) -> Iterator[Kept]:
    for statement in found.branch.body:
        for target, value in pairs_of(statement):
            plain = isinstance(value, ast.Name | ast.Attribute)
            if plain and isinstance(statement, ast.Assign):
                yield Kept(found, statement, target, value)


def _is_loaded(found: Improvement, names: set[str]) -> bool:
    """Return whether weights are loaded into a network behind the branch."""
    texts = {f"{name}.load_state_dict" for name in names}
    return any(
        isinstance(node, ast.Call)
        and node.lineno > found.branch.lineno
        and found.source.text_of(node.func) in texts
        for node in found.source.expressions
    )


def _is_new(found: Improvement, name: str) -> bool:
    """Return whether the loop binds the name of the network, or of its owner, anew."""
    return any(
        isinstance(node, ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and f"{name}.".startswith(f"{found.source.text_of(node)}.")
        for loop in found.source.loops_around(found.branch)
        for node in ast.walk(loop)
    )
