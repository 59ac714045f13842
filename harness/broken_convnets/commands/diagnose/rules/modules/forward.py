"""A module that is called has a forward method, with the parameters that it is called with."""

from __future__ import annotations

import ast
import difflib
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
from broken_convnets.observe.recorder.passes import running_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

ALIKE = 0.6  # of the letters of `forward`, at least
CONTAINERS = (nn.ModuleList, nn.ModuleDict)
Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "a module that is called has a method named forward",
    stays_quiet="about abstract classes of libraries",
)
def missing_forward(evidence: Evidence) -> Iterator[Finding]:
    """Find classes whose forward is misspelled, indented wrongly or missing."""
    frame = require_failure(evidence, NotImplementedError)
    running = running_modules(evidence.error) if evidence.error else []
    module = running[-1] if running else None
    if module is None or isinstance(module, CONTAINERS) or not has_no_forward(module):
        return
    name = type(module).__name__
    for source in class_sources(evidence, module):
        definition = source.class_named(name)
        if definition is None:
            continue
        function, how, patch = _meant(source, definition)
        line = function.lineno if function else definition.lineno
        yield Finding(
            kind="training/forward_missing",
            message=f"{name} has no method named forward",
            evidence=how or "calling a module runs its forward method; define one",
            cause=Location(source.path, line),
            symptom=frame_location(frame),
            subject=name,
            module=name,
            cases=("module/misspelled_forward",),
            candidates=candidates((0, patch)) if patch else (),
            confidence=10,
        )
        return


def has_no_forward(module: nn.Module) -> bool:
    """Return whether calling a module fails because its class defines no forward."""
    return getattr(type(module).forward, "__name__", "") == "_forward_unimplemented"


def _meant(
    source: Source, definition: ast.ClassDef
) -> tuple[ast.FunctionDef | None, str, Callable[[], Patch] | None]:
    """Return the function that is meant to be forward, what is wrong with it, and a patch."""
    own = [f for f in definition.body if isinstance(f, ast.FunctionDef)]
    for outer in own:
        for inner in ast.walk(outer):
            if (
                isinstance(inner, ast.FunctionDef)
                and inner is not outer
                and inner.name == "forward"
            ):
                how = f"forward is defined inside of {outer.name}: its indentation is too deep"
                return inner, how, partial(_dedented, source, inner, outer)
    named = sorted(own, key=_likeness, reverse=True)
    if named and _likeness(named[0]) >= ALIKE:
        best = named[0]
        how = f"the method {best.name} is probably meant to be forward"
        old = f"def {best.name}("
        return best, how, partial(edits.replace_in_line, source, best.lineno, old, "def forward(")
    return None, "", None


def _likeness(function: ast.FunctionDef) -> float:
    return difflib.SequenceMatcher(None, function.name.lower(), "forward").ratio()


def _dedented(source: Source, inner: ast.FunctionDef, outer: ast.FunctionDef) -> Patch:
    excess = inner.col_offset - outer.col_offset
    lines = list(source.lines)
    for number in range(inner.lineno - 1, inner.end_lineno or inner.lineno):
        lines[number] = lines[number][excess:]
    return {source.path: "\n".join(lines)}


@rule(
    "a method has self as its first parameter",
    stays_quiet="about static and class methods",
)
def missing_self(evidence: Evidence) -> Iterator[Finding]:
    """Find methods without self that fail when they are called on an object."""
    frame = require_failure(evidence, TypeError)
    match = re.search(r"(\w+)\(\) (?:takes|got|missing)", evidence.message)
    if match is None:
        return
    for source, function in _methods_named(evidence, match[1]):
        arguments = [*function.args.posonlyargs, *function.args.args]
        if function.decorator_list or (arguments and arguments[0].arg in {"self", "cls", "this"}):
            continue
        first = f"def {function.name}("
        new = f"{first}self, " if arguments or function.args.vararg else f"{first}self"
        owner = source.class_of(function)
        name = f"{owner.name}.{function.name}" if owner else function.name
        yield Finding(
            kind="training/forward_signature",
            message=f"{name} has no parameter self",
            evidence="Python passes the object itself as the first argument of a method",
            cause=Location(source.path, function.lineno),
            symptom=frame_location(frame),
            subject=name,
            module=owner.name if owner else "",
            cases=("module/forward_missing_self",),
            candidates=candidates(
                (0, partial(edits.replace_in_line, source, function.lineno, first, new))
            ),
            confidence=10,
        )
        return


def _methods_named(evidence: Evidence, name: str) -> Iterator[tuple[Source, ast.FunctionDef]]:
    """Yield the methods of a name in the files of the traceback and of the running modules."""
    sources = {frame.source.path: frame.source for frame in evidence.frames}
    for module in running_modules(evidence.error) if evidence.error else []:
        sources |= {source.path: source for source in class_sources(evidence, module)}
    for source in sources.values():
        for node in source.nodes:
            named = isinstance(node, ast.FunctionDef) and node.name == name
            if named and isinstance(node, ast.FunctionDef) and _is_method(source, node):
                yield source, node


def _is_method(source: Source, function: ast.FunctionDef) -> bool:
    return isinstance(source.parent(function), ast.ClassDef)


@rule(
    "an nn.Sequential is called with one input",
    stays_quiet="about subclasses with a forward of their own",
)
def sequential_with_inputs(evidence: Evidence) -> Iterator[Finding]:
    """Find calls of a Sequential with several arguments, which forward() does not accept."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    called = frame.value(call.func) if call else None
    if call is None or not isinstance(called, nn.Sequential):
        return
    if type(called).forward is not nn.Sequential.forward or len(call.args) + len(call.keywords) < 2:  # noqa: PLR2004  (several)
        return
    text = frame.source.text_of(call.func)
    arguments = ", ".join(
        frame.source.text_of(part)
        for part in (*call.args, *(keyword.value for keyword in call.keywords))
    )
    new = f"{text}[1:]({text}[0]({arguments}))"
    yield Finding(
        kind="training/sequential_multi_input",
        message=f"`{text}` is an nn.Sequential, which accepts one input",
        evidence=f"it is called with {len(call.args) + len(call.keywords)}; call the layer that "
        "needs them by itself",
        cause=frame_location(frame),
        subject=text,
        cases=("module/sequential_multiple_inputs",),
        candidates=candidates((0, partial(edits.replace, frame.source, [(call, new)]))),
        confidence=10,
    )
