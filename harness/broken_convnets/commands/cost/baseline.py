"""The recorded counts of a torch release and device: read, compare, update.

They are in `results/torch-<release>/cost/<device>.toml`. Counts are the same on every run, so any
difference under the same release is a change of the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.observe.facts import Cost
from broken_convnets.util.toml_files import read_toml, write_toml
from broken_convnets.util.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.cost.counting import Counts
    from broken_convnets.observe.facts import RuntimeInfo

FIELDS = ("flops", "output_bytes", "allocations", "peak_bytes")


class CostBaseline(Struct, frozen=True, forbid_unknown_fields=True):
    """All recorded counts of one torch release on one device, by `<id> <side>`."""

    torch: str
    device: str
    programs: dict[str, Cost] = {}


@dataclass(frozen=True)
class Difference:
    """A program that differs from the baseline: one line for each count or operator."""

    program: str
    lines: list[str]

    def __str__(self) -> str:
        """Return the name with the lines below it."""
        return visible("\n  ".join([self.program, *self.lines]))


def path_of(results: Path, runtime: RuntimeInfo, device: str) -> Path:
    """Return the baseline's file in a folder of results."""
    return results / f"torch-{runtime.torch}" / "cost" / f"{device}.toml"


def read(path: Path) -> CostBaseline | None:
    """Return a baseline; None if there is none. Raises RecordError if the file is damaged."""
    if not path.is_file():
        return None
    return read_toml(path, CostBaseline, "restore it, or delete it and record again with --update")


def update(path: Path, runtime: RuntimeInfo, counts: Counts, known: set[str]) -> None:
    """Record the counts; keep those of `known` programs that were not counted in this run."""
    former = read(path)
    programs = {**(former.programs if former else {}), **counts.programs}
    remaining = {name: programs[name] for name in sorted(programs) if name in known}
    write_toml(path, CostBaseline(runtime.torch, counts.device, remaining))


def compare(baseline: CostBaseline | None, counts: Counts, known: set[str]) -> list[Difference]:
    """Return the differences from the baseline; without one, only programs without counts.

    Pass the names of all programs as `known` if all were counted: a recorded program that is not
    among them is a difference. An empty set skips this check.
    """
    differences = [Difference(name, [reason]) for name, reason in counts.failed.items()]
    if baseline is None:
        return differences
    for name, here in counts.programs.items():
        lines = difference_lines(baseline.programs.get(name), here)
        differences += [Difference(name, lines)] if lines else []
    gone = sorted(baseline.programs.keys() - known) if known else []
    return differences + [Difference(name, ["recorded, but does not exist"]) for name in gone]


def difference_lines(recorded: Cost | None, here: Cost) -> list[str]:
    """Return one line for each count that differs, and a signed one for each operator."""
    if recorded is None:
        return ["not recorded yet"]
    lines = [
        f"{field.replace('_', ' ')}: recorded {getattr(recorded, field):,}, here {value:,}"
        for field in FIELDS
        if (value := getattr(here, field)) != getattr(recorded, field)
    ]
    lines += [f"- {text}" for text in recorded.operators if text not in here.operators]
    lines += [f"+ {text}" for text in here.operators if text not in recorded.operators]
    if not lines and recorded.operators != here.operators:
        lines.append("operators: the same ones in another order")
    return lines
