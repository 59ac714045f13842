"""A hook that is made in a loop keeps the value that the loop's variable had then."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.edits import EditError
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.hooks import RegisteredHook

FUNCTIONS = (ast.Lambda, ast.FunctionDef)
LOOPS = (ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@rule(
    "a hook that is made in a loop uses the value that the loop's variable had then",
    stays_quiet="unless two hooks of one code are alive together, share a variable that is the "
    "target of the loop they are made in, and run after it has changed",
)
def hooks_share_a_loop_variable(evidence: Evidence) -> Iterator[Finding]:
    """Find `for name, m in ...: m.register_forward_hook(lambda *a: print(name))`."""
    for hook in evidence.record.hooks:
        first = hook.shares
        source = evidence.source(hook.code.co_filename)
        if source is None or first is None or not _runs_later(evidence, first, hook):
            continue
        for function, name in _late(source, first, hook):
            yield _finding(source, function, name, (first, hook))
            return


def _finding(
    source: Source,
    function: ast.Lambda | ast.FunctionDef,
    name: str,
    pair: tuple[RegisteredHook, RegisteredHook],
) -> Finding:
    values = [hook.variables[name].partition(" at ")[0] for hook in pair]
    return Finding(
        kind="module",
        message=f"all hooks of the loop use the last value of `{name}`: a function reads a "
        "variable when it is called, not when it is made",
        evidence=f"`{name}` was {values[0]} for the hook of one {pair[0].type} and {values[1]} "
        f"for that of another {pair[1].type}, and both hooks read one variable; bind its value "
        f"by a default argument: {name}={name}",
        cause=location_in(source, function),
        subject=name,
        candidates=candidates((0, partial(_bound, source, function, name))),
        confidence=8,
    )


def _runs_later(evidence: Evidence, first: RegisteredHook, hook: RegisteredHook) -> bool:
    """Return whether two hooks of different modules or parameters of one network run later."""
    owners = [first.owner(), hook.owner()]
    if None in owners or owners[0] is owners[1]:
        return False
    record = evidence.record
    if "forward" not in hook.register and all(
        one.moment < hook.moment for one in record.backward_passes
    ):
        return False
    networks = {one.network() for one in record.passes if one.moment >= hook.moment}
    return any(_has_all(network, owners) for network in networks if network is not None)


def _has_all(network: nn.Module, owners: list[object]) -> bool:
    parts = {id(part) for part in (*network.modules(), *network.parameters())}
    return all(id(owner) in parts for owner in owners)


def _late(
    source: Source, first: RegisteredHook, hook: RegisteredHook
) -> Iterator[tuple[ast.Lambda | ast.FunctionDef, str]]:
    """Yield the function of two hooks, and the variable of its loop that has changed meanwhile."""
    changed = {
        name for name, text in hook.variables.items() if first.variables.get(name, text) != text
    }
    for function in source.nodes:
        if isinstance(function, FUNCTIONS) and _is_code(function, hook):
            read = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
            for name in sorted(changed & read & _targets(source, function)):
                yield function, name


def _is_code(function: ast.Lambda | ast.FunctionDef, hook: RegisteredHook) -> bool:
    name = "<lambda>" if isinstance(function, ast.Lambda) else function.name
    parameters = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    own = list(hook.code.co_varnames[: hook.code.co_argcount])
    same_line = function.lineno == hook.code.co_firstlineno
    return same_line and name == hook.code.co_name and parameters == own


def _targets(source: Source, function: ast.AST) -> set[str]:
    """Return the variables of the innermost loop that a function is made in."""
    for above in source.ancestors(function):
        if isinstance(above, (*FUNCTIONS, ast.ClassDef)):
            break
        if isinstance(above, LOOPS):
            parts = above.generators if not isinstance(above, ast.For) else [above]
            names = (node for part in parts for node in ast.walk(part.target))
            return {node.id for node in names if isinstance(node, ast.Name)}
    return set()


def _bound(source: Source, function: ast.Lambda | ast.FunctionDef, name: str) -> Patch:
    """Return the change that adds a parameter whose default is the value of a variable."""
    args = function.args
    parts: list[ast.arg | ast.expr] = [
        *args.posonlyargs,
        *args.args,
        *args.kwonlyargs,
        *args.defaults,
    ]
    parts += [one for one in (args.vararg, *args.kw_defaults) if one is not None]
    last = max(parts, key=lambda one: (one.end_lineno or 0, one.end_col_offset or 0), default=None)
    if last is None or last.end_lineno is None or args.kwarg is not None:
        message = "the function has no parameter to insert another one after"
        raise EditError(message)
    before = source.lines[last.end_lineno - 1].encode()[: last.end_col_offset].decode()
    return edits.replace_in_line(source, last.end_lineno, before, f"{before}, {name}={name}")
