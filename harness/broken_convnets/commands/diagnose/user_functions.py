"""The functions of the user's modules, alive, each with its syntax."""

from __future__ import annotations

from inspect import getattr_static
from types import FunctionType
from typing import TYPE_CHECKING, Any

from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


def user_functions(
    evidence: Evidence,
) -> Iterator[tuple[Source, ast.FunctionDef, FunctionType]]:
    """Yield the functions of the modules that ran operators, or define a network."""
    seen: set[FunctionType] = set()
    for world in _worlds(evidence):
        for function in list(world.values()):
            if not isinstance(function, FunctionType) or function in seen:
                continue
            seen.add(function)
            code = function.__code__
            source = evidence.source(code.co_filename) if is_user_file(code.co_filename) else None
            syntax = source.function_named(code.co_name, code.co_firstlineno) if source else None
            if source is not None and syntax is not None:
                yield source, syntax, function


def _worlds(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield the global names of modules of the user's."""
    yield from evidence.record.content_facts.worlds.values()
    for network in evidence.record.kept_networks:
        forward = getattr_static(type(network), "forward")  # a property of traced networks
        yield getattr(forward, "__globals__", {})
