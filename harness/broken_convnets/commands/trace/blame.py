"""Say in words where an exception came from, and which layer to look at first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.trace.table import printable

if TYPE_CHECKING:
    from broken_convnets.observe.facts import Layer
    from broken_convnets.observe.failure import Failure

# How torch and Python name the type of a value that will not do.
WRONG_TYPE = re.compile(r"(?:got \(?|not |')(NoneType|tuple|list|dict)\b")
BEGINS = {"NoneType": "None", "tuple": "(", "list": "[", "dict": "{"}


def where(failure: Failure, failed: Layer | None) -> str:
    """Return where an exception came from: layer, expression, operator."""
    kind = failed.type if failed else ""
    layer = printable(f"{failure.layer or ''} {kind}".strip())
    text = f"{failure.type} in {layer}" if layer else f"{failure.type} outside of any layer"
    if failure.expression:
        text += f", at `{printable(failure.expression)}` (line {failure.line})"
    return f"{text}\n  {printable(failure.operator)}" if failure.operator else text


def suspect(failure: Failure | None, rows: list[Layer], failed: Layer | None) -> Layer | None:
    """Return who gave the value of a wrong type that the message is about, else `failed`.

    Of several it is the last one: an earlier value was taken by someone, or by no one.
    """
    wrong = WRONG_TYPE.search(failure.message) if failure else None
    if wrong is None:
        return failed
    begins = BEGINS[wrong.group(1)]
    makers = [row for row in rows if row.output is not None and row.output.startswith(begins)]
    return makers[-1] if makers else failed
