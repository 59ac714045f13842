"""A torch.autograd.Function returns one gradient for each argument of its forward."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

MESSAGE = re.compile(
    r"function (\w+)Backward returned an incorrect number of gradients \(expected (\d+), got (\d+)"
)


@rule(
    "a torch.autograd.Function returns one gradient for each argument of its forward",
    stays_quiet="about functions that are defined in libraries",
)
def gradients_of_arguments(evidence: Evidence) -> Iterator[Finding]:
    """Find a `backward` that returns fewer or more gradients than `forward` has arguments."""
    frame = require_failure(evidence, RuntimeError)
    match = MESSAGE.search(evidence.message)
    if match is None:
        return
    name, expected, got = match[1], int(match[2]), int(match[3])
    for source in evidence.user_sources:
        for returned in _returns(source, name):
            yield Finding(
                kind="training/forward_signature",
                message=f"{name}.backward returns {got} gradients, and {name}.forward has "
                f"{expected} arguments after ctx",
                evidence="backward returns one gradient for each argument, and None for those "
                "that need none",
                cause=location_in(source, returned),
                symptom=frame_location(frame),
                subject=name,
                candidates=candidates(*_filled(source, returned, expected - got)),
                confidence=10,
            )
            return


def _returns(source: Source, name: str) -> Iterator[ast.Return]:
    """Yield the `return` statements of the `backward` of a class."""
    defined = source.class_named(name)
    for method in defined.body if defined else []:
        if isinstance(method, ast.FunctionDef) and method.name == "backward":
            yield from (node for node in ast.walk(method) if isinstance(node, ast.Return))


def _filled(
    source: Source, returned: ast.Return, missing: int
) -> Iterator[tuple[int, Callable[[], Patch]]]:
    """Yield the change that adds None for the last arguments."""
    if returned.value is not None and missing > 0:
        value = returned.value
        inside = value.elts if isinstance(value, ast.Tuple) else [value]
        text = ", ".join([*map(source.text_of, inside), *["None"] * missing])
        yield 0, partial(edits.replace, source, [(value, text)])
