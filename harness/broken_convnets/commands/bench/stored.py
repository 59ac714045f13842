"""Store the measured cost of fixes and time to failure of cases, for an entry's page.

`results/timing/broken-<device>.toml` also contains the date and the fingerprint. These times are
a record; nothing is compared with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.util.locks import locked
from broken_convnets.util.toml_files import read_toml, write_toml

if TYPE_CHECKING:
    from pathlib import Path


class FixCost(Struct, frozen=True, forbid_unknown_fields=True):
    """The time of the fix over that of the case, and its 95 % confidence interval."""

    ratio: float
    low: float
    high: float


class BrokenTimes(Struct, frozen=True, forbid_unknown_fields=True):
    """All times of cases on one device."""

    device: str
    fingerprint: dict[str, str] = {}
    date: str = ""  # of the last measurement, YYYY-MM-DD
    fix_costs: dict[str, FixCost] = {}
    failures_us: dict[str, float] = {}  # time to the exception


def path_of(results: Path, device: str) -> Path:
    """Return the file with the times of a device."""
    return results / "timing" / f"broken-{device}.toml"


def read(results: Path, device: str) -> BrokenTimes:
    """Return the stored times; raises RecordError if the file is damaged."""
    path = path_of(results, device)
    if not path.is_file():
        return BrokenTimes(device)
    return read_toml(
        path, BrokenTimes, "restore it, or delete it and run `bench --broken --save` again"
    )


def save(results: Path, new: BrokenTimes) -> Path:
    """Add times to those with the same fingerprint; drop times with another fingerprint."""
    path = path_of(results, new.device)
    with locked(results):
        write_toml(path, _added(read(results, new.device), new))
    return path


def _added(former: BrokenTimes, new: BrokenTimes) -> BrokenTimes:
    if former.fingerprint != new.fingerprint:
        return new
    return msgspec.structs.replace(
        new,
        fix_costs=dict(sorted({**former.fix_costs, **new.fix_costs}.items())),
        failures_us=dict(sorted({**former.failures_us, **new.failures_us}.items())),
    )


def sentence(times: BrokenTimes, name: str) -> str:
    """Return the times of an entry as a sentence; empty if it has none."""
    where = ", ".join(filter(None, (times.fingerprint.get("processor"), times.device)))
    measured = f"(torch {times.fingerprint.get('torch', '')}, {where}, {times.date})"
    if name in times.fix_costs:
        cost = times.fix_costs[name]
        spread = f"{cost.low:.2f} to {cost.high:.2f}"
        return f"The fix takes {cost.ratio:.2f} times as long as the case, {spread} {measured}"
    if name in times.failures_us:
        return f"It fails after {times.failures_us[name]:,.0f} µs {measured}"
    return ""
