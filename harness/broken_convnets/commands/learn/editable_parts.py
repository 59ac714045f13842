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
        learners = top_level_parts(source)
    except UnicodeEncodeError:
        return GradedProgram(source, [], ["the program has a character that UTF-8 cannot encode"])
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return GradedProgram(source, [], [])
    originals = top_level_parts(case.broken)
    restored = [
        name
        for name in closed_parts(case)
        if name not in learners or not _same(learners[name], originals[name])
    ]
    added = sorted(
        OPTIONAL & learners.keys() - originals.keys() - top_level_parts(case.fixed).keys()
    )
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
    broken, fixed = top_level_parts(case.broken), top_level_parts(case.fixed)
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


def top_level_parts(source: str) -> dict[str, ast.stmt]:
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
