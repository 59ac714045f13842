"""The table of all releases of torch: what each entry did, and what differs from the newest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.util.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.verdicts.records import Baseline, Record, Side

DEVICES = ("cpu", "cuda")
HEAD = """\
# Recorded results

Written by `broken-convnets reproduce --update`; do not edit. There is one TOML file per torch
release and device, with each entry's message, failing expression, layer trace and laws. The first
column of a device is its newest release; the other columns show what differs from it.
"""

Column = dict[str, "Record"]


def page(baselines: list[Baseline]) -> str:
    """Return `results/README.md`; the baselines come newest first."""
    names = sorted({name for baseline in baselines for name in baseline.entries})
    newest: dict[str, Column] = {}
    for baseline in baselines:
        newest.setdefault(baseline.device, baseline.entries)
    head = ["case", *(f"torch {baseline.torch}, {baseline.device}" for baseline in baselines)]
    rows = [
        [name, *(_cell(name, baseline.entries, newest[baseline.device]) for baseline in baselines)]
        for name in names
    ]
    missing = [device for device in DEVICES if device not in newest]
    tried = [f"Not tested under any release: {', '.join(missing)}.\n"] if missing else []
    counts = [_count(baseline, newest[baseline.device]) for baseline in baselines]
    summary = _table([["release", "as declared", "differs from the newest"], *counts])
    return "\n".join([HEAD, *tried, summary, _table([head, *rows])])


def _table(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(map(_escaped, row)) + " |\n" for row in rows)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is in one cell; the bold of a difference stays."""
    return re.sub(r"[\\`|<>&\[\]]", lambda found: f"&#{ord(found[0])};", visible(text))


def _count(baseline: Baseline, newest: Column) -> list[str]:
    good = sum(record.verdict.as_declared for record in baseline.entries.values())
    differ = sum(
        bool(differences(newest[name], record))
        for name, record in baseline.entries.items()
        if name in newest
    )
    return [
        f"torch {baseline.torch}, {baseline.device}",
        f"{good} of {len(baseline.entries)}",
        str(differ),
    ]


def _cell(name: str, column: Column, newest: Column) -> str:
    record, reference = column.get(name), newest.get(name)
    if record is None:
        return "not tested"
    if reference is None or column is newest:
        return _what(record)
    return ", ".join(f"**{what}**" for what in differences(reference, record)) or "same"


def _what(record: Record) -> str:
    if record.broken and record.broken.raises:
        return f"{record.verdict.value}: {record.broken.raises}"
    if record.broken and record.broken.violates:
        return f"{record.verdict.value}: violates {', '.join(record.broken.violates)}"
    return record.verdict.value


def differences(reference: Record, record: Record) -> list[str]:
    """Return in a few words each how a failure differs from the reference."""
    if record.verdict is not reference.verdict:
        return [_what(record)]
    was, now = reference.broken, record.broken
    if was is None or now is None:
        return []
    return [say(now) for differs, say in _DIFFERENCES if differs(was) != differs(now)]


_DIFFERENCES: list[tuple[Callable[[Side], object], Callable[[Side], str]]] = [
    (lambda side: side.raises, lambda side: side.raises),
    (lambda side: side.message, lambda _: "different message"),
    (lambda side: (side.stage, side.expression, side.layer), lambda _: "different place"),
    (lambda side: side.violates, lambda side: f"violates {', '.join(side.violates)}"),
]
