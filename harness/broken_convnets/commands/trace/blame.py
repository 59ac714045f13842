"""Say in words where an exception or the first non-finite value came from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.trace.table import printable

if TYPE_CHECKING:
    from broken_convnets.observe.facts import Layer
    from broken_convnets.observe.failure import Failure
    from broken_convnets.observe.recorder.recorded_events import NonFinite

# How torch and Python name the type of a value that they refuse.
WRONG_TYPE = re.compile(r"(?:got \(?|not |')(NoneType|tuple|list|dict)\b")
BEGINS = {"NoneType": "None", "tuple": "(", "list": "[", "dict": "{"}


class FirstNonFinite(Struct, frozen=True):
    """The operator that returned the first infinity or NaN of a run, and when.

    `entered` describes the parameter or the batch that had one already; empty if all inputs of
    the operator were finite. `training_step` counts from 1 and ends with an optimizer step; it is
    None if the program never steps an optimizer.
    """

    operator: str
    expression: str
    file: str
    line: int | None
    network: str
    forward_pass: int
    inside: bool  # whether that forward pass was still running
    training_step: int | None
    layer: str  # type of the module that called the operator; empty if none did
    entered: str = ""


def first_non_finite(found: NonFinite, *, trains: bool) -> FirstNonFinite:
    """Return where the first value that is not finite came from, as plain data."""
    place = found.operator.place
    entered = found.entered
    return FirstNonFinite(
        operator=found.operator.name,
        expression=place.text if place else "",
        file=place.file if place else "",
        line=place.line if place else None,
        network=found.network,
        forward_pass=found.forward_pass,
        inside=found.inside,
        training_step=found.operator.moment.optimizer_steps + 1 if trains else None,
        layer=found.operator.layer,
        entered=f"{'parameter' if entered.parameter else 'input'} {entered}" if entered else "",
    )


def origin(found: FirstNonFinite) -> list[str]:
    """Return in two lines where the first value that is not finite came from, and when."""
    what = f"`{printable(found.expression)}`" if found.expression else printable(found.operator)
    layer = f" in {printable(found.layer)}" if found.layer else ""
    text = f"first non-finite value: {what}{layer}{_at(found.file, found.line)}"
    if found.entered:
        text += f", from a {printable(found.entered)} that has one already"
    if not found.forward_pass:
        return [text, "  before any forward pass"]
    when = "in" if found.inside else "after"
    text_of_pass = f"  {when} forward pass {found.forward_pass} of {printable(found.network)}"
    step = f", in training step {found.training_step}" if found.training_step else ""
    return [text, text_of_pass + step]


def where(failure: Failure, failed: Layer | None) -> str:
    """Return where an exception came from: layer, user's line, library's line, operator."""
    kind = failed.type if failed else ""
    layer = printable(f"{failure.layer or ''} {kind}".strip())
    text = f"{failure.type} in {layer}" if layer else f"{failure.type} outside of any layer"
    if failure.expression:
        text += f", at `{printable(failure.expression)}`"
    text += _at(failure.file, failure.line)
    if failure.library_file:
        text += f"\n  in `{printable(failure.library_expression)}`"
        text += _at(failure.library_file, failure.library_line)
    return f"{text}\n  {printable(failure.operator)}" if failure.operator else text


def _at(file: str, line: int | None) -> str:
    return f" ({printable(short(file))}:{line})" if file and line is not None else ""


def short(file: str) -> str:
    """Return a path as a person would write it: below the current or the packages' folder."""
    for folder in ("site-packages", "dist-packages"):
        _, found, rest = file.rpartition(f"{os.sep}{folder}{os.sep}")
        if found:
            return rest
    path = Path(file)
    below = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if below else file


def suspect(failure: Failure | None, rows: list[Layer], failed: Layer | None) -> Layer | None:
    """Return the layer that returned the value of a wrong type in the message, else `failed`.

    Of several it is the last one: another layer received an earlier value, or nobody did.
    """
    wrong = WRONG_TYPE.search(failure.message) if failure else None
    if wrong is None:
        return failed
    begins = BEGINS[wrong.group(1)]
    makers = [row for row in rows if row.output is not None and row.output.startswith(begins)]
    return makers[-1] if makers else failed
