"""Which line of a dataset flips or turns its images."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.rules.data.samples import below_subsets
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.loaders import Loader

FLIPS = frozenset({"flip", "fliplr", "flipud", "hflip", "vflip", "rot90", "horizontal_flip"})
PICTURES = frozenset({"transpose", "mirror"})  # names of Pillow


def flip_line(evidence: Evidence, loader: Loader) -> Location | None:
    """Return the line of the last flip while a sample was read, else that of `__getitem__`."""
    for operator in reversed(list(evidence.record.operators)):
        inside = any(place.function == "__getitem__" for place in operator.places)
        if operator.name in FLIPS and inside:
            return Location(operator.places[0].file, operator.places[0].line)
    code = getattr(getattr(type(below_subsets(loader.data)), "__getitem__", None), "__code__", None)
    if code is None:
        return None
    source = evidence.source(code.co_filename)
    lines = list(_written_flips(source, code.co_firstlineno)) if source else []
    return Location(code.co_filename, lines[0] if lines else code.co_firstlineno)


def _written_flips(source: Source, first_line: int) -> Iterator[int]:
    """Yield the lines of `__getitem__` that flip an array or a picture."""
    function = source.function_named("__getitem__", first_line)
    for node in ast.walk(function) if function else ():
        if isinstance(node, ast.Call):
            argument = source.text_of(node.args[0]) if node.args else ""
            named = called_name(node) in FLIPS
            if named or (called_name(node) in PICTURES and (not argument or "FLIP" in argument)):
                yield node.lineno
        elif isinstance(node, ast.Slice) and node.step and source.text_of(node.step) == "-1":
            yield node.lineno
