"""The page of releases: each entry under each release, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.commands.site.entries import release_name
from broken_convnets.verdicts import matrix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.verdicts.records import Baseline, Record


def context(baselines: list[Baseline], names: Iterable[str]) -> dict[str, Any]:
    """Return the template's variables; the baselines come newest first."""
    reference: dict[str, Baseline] = {}
    for baseline in baselines:
        reference.setdefault(baseline.device, baseline)
    rows = {
        name: [_cell(name, baseline, reference[baseline.device]) for baseline in baselines]
        for name in names
    }
    return {
        "baselines": baselines,
        "names": [release_name(baseline) for baseline in baselines],
        "declared": [_declared(baseline) for baseline in baselines],
        "differing": {name: cells for name, cells in rows.items() if any(c[1] for c in cells)},
        "rows": rows,
        "not_run": [
            d for d in matrix.DEVICES if d not in {baseline.device for baseline in baselines}
        ],
    }


def _declared(baseline: Baseline) -> tuple[int, int]:
    good = sum(record.verdict.as_declared for record in baseline.entries.values())
    return good, len(baseline.entries)


def _cell(name: str, baseline: Baseline, newest: Baseline) -> tuple[str, bool]:
    """Return the table cell of an entry under a release, and whether the entry differs there."""
    record, reference = baseline.entries.get(name), newest.entries.get(name)
    if record is None:
        return "not run", False
    if baseline is newest or reference is None:
        return _short(record), False
    differences = matrix.differences(reference, record)
    words = ", ".join(differences).replace("_", " ")
    return words or "same", bool(differences)


def _short(record: Record) -> str:
    side = record.broken
    if side is None:
        return record.verdict.value
    return side.raises or ("silent" if side.violates else record.verdict.value)
