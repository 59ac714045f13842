"""Say in words where an exception came from, and which layer to look at first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .table import printable

if TYPE_CHECKING:
    from .facts import Layer
    from .failure import Failure

WRONG_TYPE = re.compile(r"(?:got \(|not |')(NoneType|tuple|list|dict)\b")
FIRST_CHARACTER = {"tuple": "(", "list": "[", "dict": "{"}


def where(failure: Failure, failed: Layer | None) -> str:
    """Return where an exception came from: layer, expression, operator."""
    path = failure.layer
    name = failed.type if failed else ""
    where = printable(f"{path} {name}".strip()) if path or name else ""
    text = f"{failure.type} in {where}" if where else f"{failure.type} outside of any layer"
    if failure.at:
        text += f", at `{printable(failure.at)}` (line {failure.line})"
    return f"{text}\n  {printable(failure.operator)}" if failure.operator else text


def suspect(failure: Failure | None, rows: list[Layer], failed: Layer | None) -> Layer | None:
    """Return who gave the value of a wrong type that the message is about, else `failed`."""
    wrong = WRONG_TYPE.search(failure.message) if failure else None
    if wrong is None:
        return failed
    kind = wrong.group(1)
    before = rows[: rows.index(failed)] if failed in rows and failed.depth else rows
    if kind == "NoneType":
        return next((row for row in rows if "gives the first None" in row.marks), failed)
    sign = FIRST_CHARACTER[kind]
    makers = [row for row in before if row.gives and row.gives.startswith(sign)]
    return max(makers, key=lambda row: row.depth) if makers else failed
