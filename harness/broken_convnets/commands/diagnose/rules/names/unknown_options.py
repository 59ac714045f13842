"""A string that chooses between branches is one that some branch is for."""

from __future__ import annotations

import ast
import re
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
)
from broken_convnets.observe.near_names import distance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

OPTION = 5  # letters of an option, and of the word in it that is misspelled, at least
ENDINGS = frozenset("dersy")  # last letters of forms of one word
WORDS = re.compile(r"[^\W_]+")


@rule(
    "a string that is compared with options is one of them",
    stays_quiet="unless a default or an argument differs by one letter from the only option like "
    "it that its name is compared with, and is spelled so nowhere else; about another first "
    "letter or ending, and names that differ in a short part",
)
def option_misspelled(evidence: Evidence) -> Iterator[Finding]:
    """Find `mode="seminard"` where the code asks for `mode == "semihard"`."""
    require_success(evidence)
    sources = list(evidence.user_sources)
    options = _options(sources)
    used = [text for source in sources for text in _strings(source)]
    for source in sources:
        for name, text, node in _given(source):
            known = options.get(name, set())
            near = misspelled(text, known) if text not in known else []
            if len(near) != 1 or used.count(text) > 1 or not _is_slip(text, near[0]):
                continue
            change = partial(edits.replace, source, [(node, repr(near[0]))])
            yield Finding(
                kind="module",
                message=f"{name} is '{text}', which no comparison is for: '{near[0]}' is",
                evidence=f"{name} is compared with {', '.join(map(repr, sorted(known)))}, and no "
                "comparison is true",
                cause=location_in(source, node),
                subject=f"{name}={text}",
                candidates=candidates((0, change)),
                confidence=6,
            )


def _is_slip(text: str, option: str) -> bool:
    """Return whether a string is an option with one wrong letter, and hardly a word of its own.

    Pairs such as minimum and maximum, batch and patch, trained and trainer, or part_a and part_b
    are different options.
    """
    if min(len(text), len(option)) < OPTION or distance(text, option) != 1:
        return False
    first, ending = text[0] != option[0], text[:-1] == option[:-1] and text[-1] in ENDINGS
    longer = text.startswith(option) or option.startswith(text)
    words = zip(WORDS.findall(text), WORDS.findall(option), strict=False)
    short = any(one != other and len(one) < OPTION for one, other in words)
    return not (first or ending or longer or short)


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
    for node in source.nodes:
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
