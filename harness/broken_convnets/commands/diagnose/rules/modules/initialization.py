"""A network's __init__ is spelled right and calls that of nn.Module first."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

INIT = re.compile(r"_*(?:init|int|inti|initialize)_*$", re.IGNORECASE)


@rule(
    "the __init__ of a network calls that of nn.Module before it assigns layers",
    stays_quiet="about classes whose __init__ is not in the program",
)
def missing_super_init(evidence: Evidence) -> Iterator[Finding]:
    """Find networks that were never initialized as modules."""
    frame = require_failure(evidence, AttributeError)
    for module in _unfinished(evidence):
        found = _own_init(evidence, module)
        about = "Module.__init__" in evidence.message or type(module).__name__ in evidence.message
        if found is None or not about:
            continue
        source, function = found
        call = _super_call(source, function)
        name = type(module).__name__
        what = "is called too late" if call else "is never called"
        yield Finding(
            kind="training/missing_super_init",
            message=f"super().__init__() {what} in {name}.__init__",
            evidence=f"{name} cannot store layers and parameters before nn.Module.__init__ has run",
            cause=Location(source.path, function.lineno),
            symptom=frame_location(frame),
            subject=name,
            module=name,
            cases=("module/missing_super_init",),
            candidates=_call_it(source, function, call),
            confidence=10,
        )
        return


def _unfinished(evidence: Evidence) -> Iterator[nn.Module]:
    """Yield the modules in the traceback whose nn.Module.__init__ has not run."""
    for frame in evidence.frames:
        for value in (frame.scope.local.get("self"), *frame.scope.local.values()):
            if isinstance(value, nn.Module) and "_modules" not in vars(value):
                yield value


def _own_init(evidence: Evidence, module: nn.Module) -> tuple[Source, ast.FunctionDef] | None:
    """Return the first __init__ of a module's classes that is the user's and calls no super."""
    found: list[tuple[Source, ast.FunctionDef]] = []
    sources = class_sources(evidence, module)
    for one in type(module).__mro__:
        code = getattr(vars(one).get("__init__"), "__code__", None)
        for source in sources:
            if code is not None and source.path == code.co_filename:
                function = source.function_named("__init__", code.co_firstlineno)
                found += [(source, function)] if function else []
    without = [(s, f) for s, f in found if _super_call(s, f) is None]
    return next(iter(without or found), None)


def _super_call(source: Source, function: ast.FunctionDef) -> ast.stmt | None:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and called_name(node) == "__init__":
            return source.statement_of(node)
    return None


def _call_it(
    source: Source, function: ast.FunctionDef, call: ast.stmt | None
) -> tuple[Candidate, ...]:
    body = [s for s in function.body if not _is_docstring(s)] or function.body
    if call is not None:
        return candidates((0, partial(edits.move, source, call, body[0], after=False)))
    return candidates((0, partial(edits.insert_before, source, body[0], "super().__init__()")))


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@rule(
    "the constructor of a network is named __init__",
    stays_quiet="if the class has an __init__",
)
def misspelled_init(evidence: Evidence) -> Iterator[Finding]:
    """Find `_init_`, `__int__` and the like, which Python never calls."""
    frame = require_failure(evidence, AttributeError, TypeError, ValueError)
    for source in _sources(evidence):
        for definition in source.nodes:
            function = _misspelled(definition) if isinstance(definition, ast.ClassDef) else None
            if function is None or not isinstance(definition, ast.ClassDef):
                continue
            if not _concerns(evidence, definition):
                continue
            yield Finding(
                kind="training/empty_parameter_list",
                message=f"{definition.name}.{function.name} is not __init__, so nothing calls it",
                evidence=f"{definition.name} has none of the layers that {function.name} assigns",
                cause=Location(source.path, function.lineno),
                symptom=frame_location(frame),
                subject=f"{definition.name}.{function.name}",
                module=definition.name,
                cases=("module/single_underscore_init",),
                candidates=_renamed(source, function),
                confidence=10,
            )
            return


def _sources(evidence: Evidence) -> list[Source]:
    """Return the files of the traceback, and those that define the networks."""
    found = {frame.source.path: frame.source for frame in evidence.frames}
    for module in evidence.record.constructed_modules():
        found |= {source.path: source for source in class_sources(evidence, module)}
    return list(found.values())


def _misspelled(definition: ast.ClassDef) -> ast.FunctionDef | None:
    functions = [f for f in definition.body if isinstance(f, ast.FunctionDef)]
    if any(f.name == "__init__" for f in functions):
        return None
    for function in functions:
        if INIT.match(function.name) and any(_assigns_own(n) for n in ast.walk(function)):
            return function
    return None


def _assigns_own(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(t, ast.Attribute) for t in targets)


def _concerns(evidence: Evidence, definition: ast.ClassDef) -> bool:
    """Return whether the failure is about an object of the class, or its lack of parameters."""
    if definition.name in evidence.message or "parameter list" in evidence.message:
        return True
    values = [v for frame in evidence.frames for v in frame.scope.local.values()]
    return any(type(value).__name__ == definition.name for value in values)


def _renamed(source: Source, function: ast.FunctionDef) -> tuple[Candidate, ...]:
    def renamed() -> Patch:
        text = source.text
        lines = text.split("\n")
        for number in range(function.lineno - 1, function.end_lineno or function.lineno):
            line = lines[number].replace(f"def {function.name}(", "def __init__(")
            lines[number] = line.replace(f"super().{function.name}(", "super().__init__(")
        return {source.path: "\n".join(lines)}

    attempts: list[tuple[int, Callable[[], Patch]]] = [(0, renamed)]
    return candidates(*attempts)
