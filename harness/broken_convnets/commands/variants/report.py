"""Report generated variants: tables for the terminal, a document for --json."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from broken_convnets.commands.variants.make import TRANSFORMATIONS
from broken_convnets.corpus.entries import Case, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from broken_convnets.commands.variants.verify import CheckedVariant


@dataclass(frozen=True)
class Generation:
    """The variants that one command generated and checked, and what was requested."""

    entries: list[Entry]
    count: int  # verified variants requested for each entry
    seed: int
    checked: list[CheckedVariant]
    torch: str
    seconds: float
    interrupted: int  # exit code; 0 if the command was not interrupted


@dataclass(frozen=True)
class Yield:
    """How many variants were generated, and how many of them were verified."""

    generated: int
    verified: int


def incomplete(generation: Generation) -> list[str]:
    """Return the entries that have fewer verified variants than requested."""
    verified = Counter(each.variant.id for each in generation.checked if each.verified)
    return [entry.id for entry in generation.entries if verified[entry.id] < generation.count]


def parts(generation: Generation) -> list[RenderableType]:
    """Return the tables and the summary for the terminal."""
    by_entry = {
        name: row for name, row in _by_entry(generation).items() if row.verified < row.generated
    }
    rejected = [each for each in generation.checked if not each.verified]
    shown: list[RenderableType] = [_table("transformation", _by_transformation(generation))]
    if rejected:
        shown += ["", _table("entry with rejected variants", by_entry), "", _reasons(rejected)]
    shown += [f"{name}: fewer than {generation.count}" for name in incomplete(generation)]
    return [*shown, f"\n{_summary(generation, rejected)}"]


def document(generation: Generation) -> dict[str, Any]:
    """Return everything about the variants except their programs, for --json."""
    return {
        "seed": generation.seed,
        "count": generation.count,
        "torch": generation.torch,
        "seconds": round(generation.seconds, 2),
        "interrupted": bool(generation.interrupted),
        "transformations": _by_transformation(generation),
        "entries": _by_entry(generation),
        "too_few": incomplete(generation),
        "variants": [_row(each) for each in generation.checked],
    }


def _row(each: CheckedVariant) -> dict[str, Any]:
    return {
        "id": each.variant.id,
        "number": each.variant.number,
        "seed": each.variant.seed,
        "kind": "case" if isinstance(each.variant.entry, Case) else "control",
        "transformations": list(each.variant.transformations),
        "verified": each.verified,
        "reason": each.reason,
        "expression": each.expression,
        "layer": each.layer,
    }


def _by_transformation(generation: Generation) -> dict[str, Yield]:
    found = _yields(
        (name, each.verified)
        for each in generation.checked
        for name in each.variant.transformations
    )
    return {name: found[name] for name in TRANSFORMATIONS if name in found}


def _by_entry(generation: Generation) -> dict[str, Yield]:
    return _yields((each.variant.id, each.verified) for each in generation.checked)


def _yields(outcomes: Iterable[tuple[str, bool]]) -> dict[str, Yield]:
    generated, verified = Counter[str](), Counter[str]()
    for name, good in outcomes:
        generated[name] += 1
        verified[name] += good
    return {name: Yield(generated[name], verified[name]) for name in sorted(generated)}


def _table(first: str, rows: dict[str, Yield]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in ("variants", "verified", "yield"):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        share = f"{row.verified / row.generated:.0%}"
        table.add_row(name, str(row.generated), str(row.verified), share)
    return table


def _reasons(rejected: list[CheckedVariant]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rejected", no_wrap=True)
    table.add_column("reason")
    for each in rejected:
        table.add_row(each.variant.key, each.reason)
    return table


def _summary(generation: Generation, rejected: list[CheckedVariant]) -> str:
    generated = len(generation.checked)
    verified = generated - len(rejected)
    share = f" ({verified / generated:.1%})" if generated else ""
    line = f"{verified} of {generated} variants verified{share}, seed {generation.seed}"
    reasons = Counter(each.reason.partition(":")[0] for each in rejected)
    if reasons:
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        line += f"; rejected: {listed}"
    return f"{line}; {generation.seconds:.1f} s, torch {generation.torch}"
