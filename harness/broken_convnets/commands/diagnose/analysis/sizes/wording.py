"""Say which layer, value and line is meant, in the words of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.shown import shown_path

if TYPE_CHECKING:
    from torch import nn

    from broken_convnets.commands.diagnose.analysis.sizes.lineage import Origin
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Construction
    from broken_convnets.observe.recorder.values import Value

SHORT = 70  # characters of an expression


def layer_name(evidence: Evidence, module: nn.Module) -> str:
    """Return `conv1 Conv2d`: the path in the network that ran last, and the type."""
    latest = evidence.record.last_pass
    path = latest.path(module) if latest else ""
    return f"{path} {type(module).__name__}".strip()


def shape(value: Value) -> str:
    """Return `[8, 3, 32, 32]`."""
    return str(list(value.shape))


def sizes(shape: tuple[int, ...]) -> str:
    """Return `64 x 14 x 14`."""
    return " x ".join(map(str, shape))


def where(location: Location | None) -> str:
    """Return ` (model.py:12)`, or nothing."""
    return f" ({shown_path(location.file)}:{location.line})" if location else ""


def constructed(evidence: Evidence, construction: Construction | None) -> str:
    """Return "`nn.Linear(9216, 128)` (model.py:17)", or nothing."""
    site = constructor(evidence, construction)
    if site is None:
        return ""
    place = Location(site.source.path, site.call.lineno)
    return f"`{shortened(site.source.text_of(site.call))}`{where(place)}"


def location_of_place(place: Place | None) -> Location | None:
    """Return the line of a place."""
    return Location(place.file, place.line) if place else None


def location_of(evidence: Evidence, construction: Construction | None) -> Location | None:
    """Return the line of a constructor's call in the user's source."""
    site = constructor(evidence, construction)
    return Location(site.source.path, site.call.lineno) if site else None


def shortened(text: str) -> str:
    """Return source text on one line, cut if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= SHORT else f"{line[: SHORT - 1]}…"


def described(evidence: Evidence, found: Origin) -> str:
    """Return where a value comes from: a layer, an expression, or outside of the network."""
    operator = found.operator
    if found.layer is not None:
        text = constructed(evidence, found.construction)
        return f"the output of {layer_name(evidence, found.layer)}" + (f", {text}" if text else "")
    if operator is None or operator.place is None:
        return "the input of the network"
    place = Location(operator.place.file, operator.place.line)
    return f"the result of `{shortened(operator.place.text)}`{where(place)}"
