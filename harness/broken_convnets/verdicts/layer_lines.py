"""One call of a layer as one line of text, as `results/` records it, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from broken_convnets.observe.facts import Layer

FAILED = "✗"  # the call raised
UNFINISHED = "…"  # the call was still running when a call inside it raised

_LINE = re.compile(r"(?:(?P<path>\S+) )?(?P<type>\S+): (?P<inputs>.*) -> (?P<output>.*)")


class LayerCall(NamedTuple):
    """A recorded call of a layer. `output` may be FAILED or UNFINISHED."""

    path: str  # as in named_modules(); empty for the network itself
    type: str
    inputs: str
    output: str


def layer_line(layer: Layer) -> str:
    """Return a call as a line, such as `fc Linear: float32[4, 16] -> float32[4, 10]`."""
    name = f"{layer.path} {layer.type}".strip()
    finished = UNFINISHED if layer.output is None else layer.output
    return f"{name}: {layer.inputs} -> {FAILED if layer.failed else finished}"


def parse_layer_line(line: str) -> LayerCall:
    """Return the call that `layer_line` wrote; other text is an unfinished call's type."""
    found = _LINE.fullmatch(line)
    if found is None:
        return LayerCall("", line, "", UNFINISHED)
    return LayerCall(found["path"] or "", found["type"], found["inputs"], found["output"])
