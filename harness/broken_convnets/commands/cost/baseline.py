"""Read the counts that are recorded for a release and device, and say what differs from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.observe.facts import Cost
from broken_convnets.util.toml_files import read_toml

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ("flops", "output_bytes", "allocations", "peak_bytes")


class CostBook(Struct, frozen=True, forbid_unknown_fields=True):
    """All counts under one torch release on one device, by `<id> <side>`."""

    torch: str
    device: str
    programs: dict[str, Cost] = {}


def read(path: Path) -> CostBook | None:
    """Read the counts of a release and device; raises RecordError where they are damaged."""
    if not path.is_file():
        return None
    return read_toml(path, CostBook, "restore it, or delete it and record again with --update")


def difference_lines(then: Cost | None, here: Cost) -> list[str]:
    """Return a line for each count that differs, and a signed one for each operator."""
    if then is None:
        return ["not recorded yet"]
    lines = [
        f"{field.replace('_', ' ')}: recorded {getattr(then, field):,}, here {value:,}"
        for field in FIELDS
        if (value := getattr(here, field)) != getattr(then, field)
    ]
    lines += [f"- {text}" for text in then.operators if text not in here.operators]
    lines += [f"+ {text}" for text in here.operators if text not in then.operators]
    if not lines and then.operators != here.operators:
        lines.append("operators: the same ones in another order")
    return lines
