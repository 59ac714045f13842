"""Measure `diagnose`: false alarms, recall, cause lines, kinds, verified fixes, processor time.

`python -m experiments.measure_diagnose` measures everything; `--healthy`, `--mutants` and
`--corpus` choose. `--list` names each alarm on a healthy program and each miss. `--update`
writes the counts of the broken programs to tests/diagnose/floors.toml; the tests fail if a count
drops.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from experiments.diagnose_measure import (
    COUNTS,
    broken_corpus,
    fork_server,
    healthy_corpus,
    healthy_others,
    measure,
    written_mutants,
)
from experiments.diagnose_programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from experiments.diagnose_measure import MeasuredProgram, Measurement

FLOORS = ROOT / "tests/diagnose/floors.toml"
HEADER = "# Written by `python -m experiments.measure_diagnose --update`."
Group = dict[str, list["Measurement"]]


def summary(measurements: Sequence[Measurement]) -> dict[str, float]:
    """Return the number of programs, the counts, and the processor seconds of a program."""
    seconds = [one.processor_seconds for one in measurements] or [0.0]
    counts = {name: sum(getattr(one, name) for one in measurements) for name in COUNTS}
    return {
        "programs": len(measurements),
        **counts,
        "failed": sum(bool(one.failure) for one in measurements),
        "median_seconds": round(statistics.median(seconds), 2),
        "longest_seconds": round(max(seconds), 2),
    }


def measured(options: argparse.Namespace) -> Group:
    """Run the groups that the options choose, all of them by default."""
    every = not (options.healthy or options.mutants or options.corpus)
    found: Group = {}
    with tempfile.TemporaryDirectory() as folder, fork_server(options.workers) as server:
        sources: dict[str, Callable[[], list[MeasuredProgram]]] = {}
        if every or options.healthy:
            sources |= {"healthy_corpus": healthy_corpus, "healthy_others": healthy_others}
        if every or options.corpus:
            sources["corpus"] = broken_corpus
        if every or options.mutants:
            sources["mutants"] = lambda: written_mutants(Path(folder))
        for name, programs in sources.items():
            found |= _by_silence(name, measure(server, programs()))
    return found


def floors(groups: Group) -> str:
    """Return the counts of the broken programs as TOML, over the former ones of other groups."""
    text = FLOORS.read_text(encoding="utf-8") if FLOORS.is_file() else ""
    found = tomllib.loads(text)
    for name, measurements in groups.items():
        if measurements[0].program.truth is not None:
            found[name] = {count: summary(measurements)[count] for count in ("programs", *COUNTS)}
    return (
        f"# Written by `python -m experiments.measure_diagnose --update`.\n{tomli_w.dumps(found)}"
    )


def _by_silence(name: str, measurements: list[Measurement]) -> Group:
    """Split a group of broken programs into silent and loud ones."""
    groups: Group = {}
    for one in measurements:
        truth = one.program.truth
        key = name if truth is None else f"{name}_{'silent' if truth.silent else 'loud'}"
        groups.setdefault(key, []).append(one)
    return groups


def table(groups: Group) -> str:
    """Return a table with a row for each group."""
    columns = list(summary([]))
    lines = [f"{'':18}" + "".join(f"{name.replace('_', ' '):>17}" for name in columns)]
    for name, measurements in groups.items():
        row = summary(measurements)
        lines.append(f"{name:18}" + "".join(f"{row[column]:>17g}" for column in columns))
    return "\n".join(lines)


def remarks(groups: Group) -> list[str]:
    """Return a line for each program that was judged wrongly, or did not run."""
    return [
        f"{name}: {one.program.name}: {remark}"
        for name, measurements in groups.items()
        for one in measurements
        if (remark := _remark(one))
    ]


def _remark(one: Measurement) -> str:
    if one.failure:
        return one.failure
    if one.program.truth is None:
        alarms = (f"{alarm.rule} {alarm.subject} {alarm.cause}" for alarm in one.alarms)
        return "; ".join(alarms)
    missing = ", ".join(f"not {name}" for name in COUNTS if not getattr(one, name))
    if not missing or not one.alarms:
        return missing
    first = one.alarms[0]
    return f"{missing} ({first.rule}, {first.kind}, {first.cause})"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON document."""
    parser = argparse.ArgumentParser(prog="python -m experiments.measure_diagnose")
    parser.add_argument("--healthy", action="store_true", help="measure the healthy programs")
    parser.add_argument("--mutants", action="store_true", help="measure the mutants")
    parser.add_argument("--corpus", action="store_true", help="measure the cases of the corpus")
    parser.add_argument("--list", action="store_true", help="name what was judged wrongly")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--workers", type=int, default=2, help="programs at a time (default 2)")
    parser.add_argument("--update", action="store_true", help="update tests/diagnose/floors.toml")
    options = parser.parse_args(argv)
    groups = measured(options)
    if options.update:
        FLOORS.write_text(floors(groups), encoding="utf-8")
    if options.json:
        document = {name: summary(measurements) for name, measurements in groups.items()}
        print(json.dumps({"groups": document, "remarks": remarks(groups)}, indent=1))
        return
    print(table(groups))
    if options.list:
        print("\n".join(remarks(groups)), file=sys.stderr)


if __name__ == "__main__":
    main()
