"""Where the peak of a PSNR is written."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.pair_images import BYTE
from broken_convnets.commands.diagnose.sites import location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.pair_calls import PairCall


def logarithm(syntax: ast.FunctionDef) -> ast.Call | None:
    """Return the first logarithm of a function."""
    calls = (node for node in ast.walk(syntax) if isinstance(node, ast.Call))
    return next((one for one in calls if called_name(one) in {"log10", "log"}), None)


def peak_line(call: PairCall, source: Source, syntax: ast.FunctionDef, wrong: float) -> Location:
    """Return where the peak is written: in a call, as a default, in the body, or not at all."""
    names = {
        name
        for name, value in call.arguments.items()
        if isinstance(value, int | float) and abs(value - wrong) <= 1
    }
    if names:
        for one in (n for n in source.expressions if isinstance(n, ast.Call)):
            numbers = [*one.args, *(keyword.value for keyword in one.keywords)]
            given = [n for n in numbers if _is_number(n, wrong)]
            if called_name(one) == syntax.name and given:
                return location_in(source, given[0])
        defaults = [d for d in (*syntax.args.defaults, *syntax.args.kw_defaults) if d]
        given = [d for d in defaults if _is_number(d, wrong)]
        if given:
            return location_in(source, given[0])
    found = logarithm(syntax)
    inside = list(ast.walk(found)) if found else []
    written = [n for n in (*inside, *ast.walk(syntax)) if _is_number(n, wrong)]
    node = written[0] if written and wrong == BYTE else found or syntax
    return location_in(source, node)  # type: ignore[arg-type]  # an expression or the function


def _is_number(node: ast.AST, wanted: float) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, int | float) and not isinstance(value, bool) and value == wanted
