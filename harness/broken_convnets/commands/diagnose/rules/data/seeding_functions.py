"""What a `worker_init_fn` seeds, and whether it may know the epoch."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from types import CodeType

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

SEEDS = re.compile(r"seed|default_rng|RandomState|Random$|Generator|SeedSequence")
READS = frozenset({"initial_seed", "get_worker_info"})  # a seed, without setting one
# A seed may come from a clock, or from what the program counts.
CHANGING = re.compile(r"epoch|step|iter|round|time|now|clock|perf_counter|getpid", re.IGNORECASE)


@dataclass(frozen=True)
class Initializer:
    """The syntax of a `worker_init_fn`, and that of the user's functions that it calls."""

    source: Source
    name: str
    first: ast.stmt | ast.expr  # the function itself
    nodes: tuple[ast.AST, ...]
    seeds: list[ast.Call]

    @property
    def seeding(self) -> ast.Call | None:
        """The first call that seeds something; None if there is none."""
        return self.seeds[0] if self.seeds else None

    @classmethod
    def of(cls, source: Source, code: CodeType) -> Initializer | None:
        """Return the function or lambda of a code object; None if it is not in the file."""
        function = source.function_named(code.co_name, code.co_firstlineno) or _lambda(source, code)
        if function is None:
            return None
        own = list(ast.walk(function))
        called = {called_name(node) for node in own if isinstance(node, ast.Call)}
        helpers = [n for n in source.nodes if isinstance(n, ast.FunctionDef) and n.name in called]
        inner = [node for helper in helpers for node in ast.walk(helper)]
        seeds = [n for n in own if isinstance(n, ast.Call) and _is_seeding(n)]
        seeds.sort(key=lambda call: (call.lineno, call.col_offset))
        return cls(source, code.co_name, function, (*own, *inner), seeds)


def may_know_the_epoch(evidence: Evidence, initializer: Initializer) -> bool:
    """Return whether the function reads something that another epoch may have changed.

    It is called after the end of the program, when everything has its last value.
    """
    read = _names_read(initializer)
    if any(CHANGING.search(name) for name in read):
        return True
    return any(_changed(source) & read for source in evidence.user_sources)


def _lambda(source: Source, code: CodeType) -> ast.Lambda | None:
    lambdas = [n for n in source.nodes if isinstance(n, ast.Lambda)]
    found = [n for n in lambdas if n.lineno == code.co_firstlineno]
    return found[0] if len(found) == 1 else None


def _is_seeding(call: ast.Call) -> bool:
    name = called_name(call)
    return bool(SEEDS.search(name)) and name not in READS


def _names_read(initializer: Initializer) -> set[str]:
    """Return the names, the attributes and the keys that the function reads, not its parameters."""
    found: set[str] = set()
    for node in initializer.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(node.value.split()[:1])
    return found - {node.arg for node in initializer.nodes if isinstance(node, ast.arg)}


def _changed(source: Source) -> set[str]:
    """Return the names that loops and `global` set, and attributes set outside of __init__."""
    found: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.update({node.id} if source.loops_around(node) else ())
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            function = source.function_of(node)
            found.update({node.attr} if function is None or function.name != "__init__" else ())
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            owner = node.value
            found.update({owner.id} if isinstance(owner, ast.Name) else ())
    return found
