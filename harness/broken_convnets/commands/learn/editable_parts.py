"""Which parts of a case a learner may change: where the mistake can be, and the network."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.corpus.rules import forbidden_imports

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Case

MODULES = {"Module", "Sequential"}
RUN = "run"
# A law judges what these do, however it is written; or they do nothing that counts.
LAWFUL = {"backward", "eval", "inference_mode", "no_grad", "print", "train", "zero_grad"}
CALLED = {"run", "example_targets", "example_loader", "score"}  # where a program has them


@dataclass(frozen=True)
class Judged:
    """The program that is judged, and what of the learner's was put back for it."""

    source: str
    restored: list[str]  # names, in the order of the case
    forbidden: list[str]  # sentences about imports that would silence the laws


def judged(case: Case, source: str) -> Judged:
    """Return the learner's program with every closed part as it is in the case.

    The original text comes after the learner's, where the later definition counts: the
    learner's line numbers stay true. A text that is no Python is returned as it is.
    """
    try:
        learners = _parts(source)
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return Judged(source, [], [])
    originals = _parts(case.broken)
    restored = [
        name
        for name in closed_parts(case)
        if name not in learners or not _same(learners[name], originals[name])
    ]
    added = sorted(CALLED & learners.keys() - originals.keys() - _parts(case.fixed).keys())
    texts = [_text(case.broken, originals[name]) for name in restored]
    texts += [f"del {name}" for name in added]
    tail = "".join(f"\n\n\n{text}" for text in texts) + "\n" if texts else ""
    return Judged(
        source.rstrip("\n") + tail if tail else source,
        [*restored, *added],
        forbidden_imports(ast.parse(source)),
    )


def closed_parts(case: Case) -> list[str]:
    """Return the top-level names that neither the fix nor a place in `also` touches.

    Modules are never among them: the network is the learner's own. Nor is `run` where the
    mistake is in the data, which may as well be mended where it is used.
    """
    broken, fixed = _parts(case.broken), _parts(case.fixed)
    open_names = {
        name for name, node in broken.items() if name not in fixed or not _same(node, fixed[name])
    }
    for place in case.spec.other_fix_sites:
        wanted = " ".join(place.split())
        open_names |= {
            name
            for name, node in broken.items()
            if wanted in " ".join(_text(case.broken, node).split())
        }
    modules = {name for name, node in broken.items() if _is_module(node)}
    if open_names - modules:
        open_names.add(RUN)
    return [name for name in broken if name not in open_names | modules]


def dropped_calls(case: Case, source: str) -> list[str]:
    """Return the names that `run` calls for their effect in case and fix, and `source` nowhere.

    A run whose failing part is deleted computes the same as one that is mended.
    """
    sides = [_parts(text).get(RUN) for text in (case.broken, case.fixed)]
    if None in sides:
        return []
    wanted = set.intersection(*(_effects(side) for side in sides if side))
    there = {_folded(name) for name in _named(ast.parse(source))}
    return sorted(name for name in wanted - LAWFUL if _folded(name) not in there)


def _effects(node: ast.AST) -> set[str]:
    """Return what is called by a statement for its own sake, or by its name within a module."""
    alone = [
        call
        for statement in ast.walk(node)
        if isinstance(statement, ast.Expr)
        for call in ast.walk(statement)
    ]
    calls = {call for call in ast.walk(node) if isinstance(call, ast.Call)}
    dotted = [call for call in calls if ast.unparse(call.func).startswith(("torch.", "nn.", "F."))]
    chosen = [call for call in [*alone, *dotted] if isinstance(call, ast.Call)]
    return {ast.unparse(call.func).rpartition(".")[2] for call in chosen}


def _folded(name: str) -> str:
    """Make `cross_entropy` and `CrossEntropyLoss` one."""
    return name.lower().replace("_", "").removesuffix("loss")


def is_kept(case: Case, kind: str) -> bool:
    """Return whether the fix neither adds nor takes out a layer of this kind."""
    before, after = (_named(ast.parse(text)) for text in (case.broken, case.fixed))
    return before.count(kind) == after.count(kind)


def _parts(source: str) -> dict[str, ast.stmt]:
    """Return the top-level definitions and assignments of a program by name."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found[ast.unparse(node.targets[0])] = node
    return found


def _same(one: ast.AST, other: ast.AST) -> bool:
    return ast.dump(one) == ast.dump(other)


def _text(source: str, node: ast.stmt) -> str:
    first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _is_module(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(base, ast.Attribute) and base.attr in MODULES for base in node.bases
    )


def _named(tree: ast.AST) -> list[str]:
    """Return the last name of everything that a program calls or refers to."""
    return [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(tree)
        if isinstance(node, (ast.Attribute, ast.Name))
    ]
