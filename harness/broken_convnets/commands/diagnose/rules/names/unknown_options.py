"""A string that chooses between branches is one that some branch is for."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.near_names import misspelled
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
    user_sources,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

OPTION = 5  # letters of an option, at least


@rule(
    "a string that is compared with options is one of them",
    stays_quiet="unless a default or an argument differs by a letter or two from the only option "
    "like it that its name is compared with, and is spelled so nowhere else",
)
def option_misspelled(evidence: Evidence) -> Iterator[Finding]:
    """Find `mode="seminard"` where the code asks for `mode == "semihard"`."""
    require_success(evidence)
    sources = list(user_sources(evidence))
    options = _options(sources)
    used = [text for source in sources for text in _strings(source)]
    for source in sources:
        for name, text, node in _given(source):
            known = options.get(name, set())
            near = misspelled(text, known) if text not in known else []
            if len(near) != 1 or used.count(text) > 1 or len(text) < OPTION:
                continue
            change = partial(edits.replace, source, [(node, repr(near[0]))])
            yield Finding(
                rule="option_misspelled",
                kind="module",
                message=f"{name} is '{text}', which no comparison is for: '{near[0]}' is",
                evidence=f"{name} is compared with {', '.join(map(repr, sorted(known)))}, and no "
                "comparison is true",
                cause=location_in(source, node),
                subject=f"{name}={text}",
                candidates=candidates((0, change)),
                confidence=6,
            )


def _options(sources: list[Source]) -> dict[str, set[str]]:
    """Return the strings that each name, without `self.`, is compared with."""
    found: dict[str, set[str]] = {}
    for source in sources:
        for node in source.expressions:
            if not isinstance(node, ast.Compare) or len(node.ops) != 1:
                continue
            if isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
                sides = (node.left, node.comparators[0])
                texts = {text for side in sides for text in _constants(side)}
                for name in filter(None, map(_name, sides)):
                    found.setdefault(name, set()).update(texts)
    return found


def _constants(node: ast.expr) -> Iterator[str]:
    items = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    for item in items:
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            yield item.value


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _strings(source: Source) -> Iterator[str]:
    for node in source.expressions:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _given(source: Source) -> Iterator[tuple[str, str, ast.expr]]:
    """Yield the names and texts of defaults, keyword arguments and assigned strings."""
    for node in ast.walk(source.tree):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args]
            defaults = node.args.defaults
            names = arguments[len(arguments) - len(defaults) :]
            pairs = [(a.arg, value) for a, value in zip(names, defaults, strict=True)]
            kwonly = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            pairs += [(a.arg, value) for a, value in kwonly]
        elif isinstance(node, ast.keyword) and node.arg:
            pairs = [(node.arg, node.value)]
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            pairs = [(_name(node.targets[0]), node.value)]
        for name, value in pairs:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield name, value.value, value
