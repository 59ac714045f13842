"""Functions that are given a network, call it, and return its output, as `predict` does.

A test of shapes does not return the output, and constructs the network itself.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import site_of

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.passes import ForwardPass


def returns_output(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether the function that calls a network was given it, and returns its output."""
    site = site_of(evidence, forward.places)
    function = site.source.function_of(site.call) if site else None
    if site is None or function is None:
        return False
    arguments = function.args
    given = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names = _names_of_output(site)
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return site.called.partition(".")[0] in given and any(
        value is site.call or (isinstance(value, ast.Name) and value.id in names)
        for value in returned
    )


def _names_of_output(site: Site) -> set[str]:
    statement = site.statement
    if not isinstance(statement, ast.Assign) or statement.value is not site.call:
        return set()
    return {target.id for target in statement.targets if isinstance(target, ast.Name)}


def switches_to_eval(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether the function that calls a network calls eval() on it before."""
    site = site_of(evidence, forward.places)
    function = site.source.function_of(site.call) if site else None
    return (
        site is not None
        and function is not None
        and any(
            isinstance(node, ast.Call)
            and site.source.text_of(node) == f"{site.called}.eval()"
            and node.lineno < site.call.lineno
            for node in ast.walk(function)
        )
    )
