"""Functions of NumPy, OpenCV and Python that return a changed copy: their result is used."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

# By module: functions whose first argument stays as it is, whatever the other arguments are.
COPYING = {
    "numpy": frozenset(
        {"fliplr", "flipud", "flip", "rot90", "roll", "transpose", "swapaxes", "moveaxis"}
        | {"expand_dims", "squeeze", "reshape", "ravel", "pad", "sort", "concatenate", "append"}
        | {"insert", "delete", "repeat", "tile", "where", "unique", "asarray", "array"}
    ),
    "numpy.random": frozenset({"permutation"}),
    "cv2": frozenset({"flip", "rotate", "cvtColor", "copyMakeBorder", "transpose"}),
    "PIL.ImageOps": frozenset({"mirror", "flip", "expand", "invert", "grayscale", "autocontrast"}),
    "builtins": frozenset({"sorted", "reversed"}),
}
# Methods of data frames that return a changed copy without inplace=True; no other type has them.
OF_FRAMES = frozenset({"reset_index", "dropna", "fillna", "sort_values", "drop_duplicates"})
WRITING = frozenset({"out", "dst", "inplace"})  # arguments that take the result
# Functions of OpenCV whose next positional argument takes the result, and how many come before.
BEFORE_RESULT = {"transpose": 1, "flip": 2, "rotate": 2, "cvtColor": 2, "copyMakeBorder": 6}
MODULES = {"np": "numpy", "cv2": "cv2", "cv": "cv2", "ImageOps": "PIL.ImageOps"}


@rule(
    "a copy that a function of NumPy, OpenCV, PIL or pandas returns is used",
    stays_quiet="unless the statement is nothing but the call, and what it was to change is read "
    "afterwards; in a try, where it checks its argument, and in a loop of nothing else, where its "
    "time is measured",
)
def copy_discarded(evidence: Evidence) -> Iterator[Finding]:
    """Find statements such as `np.fliplr(image)` and `sorted(files)`."""
    require_success(evidence)
    for source in evidence.user_sources:
        for statement in source.statements:
            call = statement.value if isinstance(statement, ast.Expr) else None
            if not isinstance(call, ast.Call) or any(argument(call, name) for name in WRITING):
                continue
            target = None if _is_a_check(source, statement) else _target(source, call)
            if target is None or not _is_read_later(source, statement, source.text_of(target)):
                continue
            name, text = source.text_of(target), source.text_of(call)
            change = partial(edits.replace, source, [(statement, f"{name} = {text}")])
            yield Finding(
                kind="training/layer_output_discarded",
                message=f"the result of `{text}` is discarded: {name} stays as it is",
                evidence=f"`{source.text_of(call.func)}` returns a new object and changes none; "
                f"{name} is read afterwards",
                cause=location_in(source, statement),
                subject=text,
                cases=("module/discarded_layer_output",),
                candidates=candidates((0, change)),
                confidence=7,
            )


def _is_a_check(source: Source, statement: ast.stmt) -> bool:
    """Return whether a statement shows if a call raises, or how long it takes."""
    around = source.parent(statement)
    alone = isinstance(around, ast.For | ast.While) and around.body == [statement]
    return alone or source.enclosing(statement, ast.Try) is not None


def _target(source: Source, call: ast.Call) -> ast.expr | None:
    """Return the variable that a call of a copying function was to change."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if isinstance(function, ast.Attribute) and name in OF_FRAMES:
        return None if _defines(source, name) else _variable(function.value)
    module = _module(source, function)
    if module == "cv2" and len(call.args) > BEFORE_RESULT.get(name, len(call.args)):
        return None
    known = COPYING.get(module, frozenset())
    return _variable(call.args[0]) if name in known and call.args else None


def _module(source: Source, function: ast.expr) -> str:
    """Return the module of a called function, by its customary name and an import of it."""
    if isinstance(function, ast.Name):
        return "builtins" if not _is_bound(source, function.id) else ""
    owner = source.text_of(function.value) if isinstance(function, ast.Attribute) else ""
    head, _, rest = owner.partition(".")
    module = MODULES.get(head, "") if head in _imported(source) else ""
    return f"{module}.{rest}" if module and rest else module


def _imported(source: Source) -> set[str]:
    imports = (node for node in source.nodes if isinstance(node, ast.Import | ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _is_bound(source: Source, name: str) -> bool:
    """Return whether a file assigns, defines or imports a name of a builtin."""
    stored = any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)
        for n in source.expressions
    )
    return stored or _defines(source, name) or name in _imported(source)


def _defines(source: Source, name: str) -> bool:
    return any(getattr(statement, "name", "") == name for statement in source.statements)


def _variable(node: ast.expr) -> ast.expr | None:
    return node if isinstance(node, ast.Name | ast.Attribute) else None


def _is_read_later(source: Source, statement: ast.stmt, name: str) -> bool:
    """Return whether a variable is read after a statement, or in the loop around it."""
    scope = source.function_of(statement) or source.tree
    loops = source.loops_around(statement)
    first = loops[-1].lineno if loops else statement.lineno
    return "." in name or any(
        isinstance(node, ast.Name)
        and node.id == name
        and isinstance(node.ctx, ast.Load)
        and (node.lineno > (statement.end_lineno or 0) or first <= node.lineno < statement.lineno)
        for node in ast.walk(scope)
    )
