"""The parts of a case that a learner may change: the network, and where the mistake can be."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.corpus.contract import check_contract

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Case

MODULES = {"Module", "Sequential"}
RUN = "run"
# The laws check the effect of these calls, or they have none that matters.
IGNORED_CALLS = {"backward", "eval", "inference_mode", "no_grad", "print", "train", "zero_grad"}
OPTIONAL = {  # called if defined
    "example_loader",
    "example_pairs",
    "example_split",
    "example_targets",
    "load",
    "run",
    "save",
    "score",
    "train",
}


@dataclass(frozen=True)
class GradedProgram:
    """The program that is graded, and which of its definitions are the original ones."""

    source: str
    restored: list[str]  # names, in the order of the case
    refused: list[str]  # what violates the contract for programs, with its line


def graded_program(case: Case, source: str) -> GradedProgram:
    """Return the learner's program with the original of every part that may not be changed.

    The originals are appended, because the last definition wins and the learner's line numbers
    stay valid. Text that is not valid Python is returned unchanged.
    """
    try:
        learners = _parts(source)
    except UnicodeEncodeError:
        return GradedProgram(source, [], ["the program has a character that UTF-8 cannot encode"])
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return GradedProgram(source, [], [])
    originals = _parts(case.broken)
    restored = [
        name
        for name in closed_parts(case)
        if name not in learners or not _same(learners[name], originals[name])
    ]
    added = sorted(OPTIONAL & learners.keys() - originals.keys() - _parts(case.fixed).keys())
    texts = [_text(case.broken, originals[name]) for name in restored]
    texts += [f"del {name}" for name in added]
    tail = "".join(f"\n\n\n{text}" for text in texts) + "\n" if texts else ""
    return GradedProgram(
        source.rstrip("\n") + tail if tail else source,
        [*restored, *added],
        check_contract(ast.parse(source)),
    )


def closed_parts(case: Case) -> list[str]:
    """Return the top-level names that neither the fix nor an alternative fix site touches.

    Modules are never closed. Nor is `run` if the mistake is in the data, because it can also be
    fixed where the data is used.
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


def dropped_calls(case: Case, source: str, *, same_result: bool) -> list[str]:
    """Return what `run` calls for side effects in case and fix, and `source` never calls.

    Without this check, deleting the failing part of a run would look like a fix. Functions of
    torch that only compute the result do not count if `source` has the `same_result` as the fix.
    """
    sides = [_parts(text).get(RUN) for text in (case.broken, case.fixed)]
    if None in sides:
        return []
    wanted = set.intersection(*(_side_effects(side, same_result) for side in sides if side))
    there = {_normalized(name) for name in _named(ast.parse(source))}
    return sorted(name for name in wanted - IGNORED_CALLS if _normalized(name) not in there)


def _side_effects(node: ast.AST, same_result: bool) -> set[str]:  # noqa: FBT001  (passed on)
    """Return the calls that are statements of their own, and those of torch's functions.

    With the `same_result`, torch's functions count only as statements of their own.
    """
    statements = [item.value for item in ast.walk(node) if isinstance(item, ast.Expr)]
    alone = [call for value in statements for call in ast.walk(value)]
    calls = {call for call in ast.walk(node) if isinstance(call, ast.Call)}
    dotted = {call for call in calls if ast.unparse(call.func).startswith(("torch.", "nn.", "F."))}
    left_out = dotted - set(statements) if same_result else set()
    chosen = [call for call in {*alone, *dotted} - left_out if isinstance(call, ast.Call)]
    return {_callee(call.func) for call in chosen}


def _callee(function: ast.expr) -> str:
    """Return the last part of what is called: `CrossEntropyLoss` for `CrossEntropyLoss()(a, b)`."""
    while isinstance(function, ast.Call):
        function = function.func
    return ast.unparse(function).rpartition(".")[2]


def _normalized(name: str) -> str:
    """Return one spelling for `cross_entropy` and `CrossEntropyLoss`."""
    return name.lower().replace("_", "").removesuffix("loss")


def is_unchanged(case: Case, kind: str) -> bool:
    """Return whether the fix has as many layers of this kind as the case."""
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
    """Return the last part of every name that a program refers to."""
    return [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(tree)
        if isinstance(node, (ast.Attribute, ast.Name))
    ]
