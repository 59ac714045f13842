"""Measure how often `explain` finds the symptom in people's own words, and the case behind it.

    python experiments/measure_symptoms.py [REPORTS.jsonl]

Without arguments it uses `tests/data/symptoms.jsonl`: public reports of failures that raise
nothing. A line has the `url`, a short `text` that keeps the words that people used for the
symptom, the `symptoms` that are right, the `cases` that are right if the thread names the cause,
and its `half`. The phrases of the guides were tuned on the half `tuning`. Reports of the half
`held_out` were labeled before the phrases were written, by the author of the phrases, and their
results were not looked at while tuning.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.explain import index_file
from broken_convnets.commands.explain.symptoms.cases import cases_with, ranked
from broken_convnets.commands.explain.symptoms.matching import symptoms_in

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "tests/data/symptoms.jsonl"
FEW = 3  # cases that `explain` shows


@dataclass(frozen=True)
class Rates:
    """How many of the reports were answered rightly."""

    reports: int
    symptom: int  # the symptom is right
    with_cause: int  # reports whose cause has a case
    first: int  # of them: the first case is right
    among_few: int  # of them: one of the first FEW cases is right

    def row(self, name: str) -> str:
        """Return a row of the table."""
        rates = (
            (self.symptom, self.reports),
            (self.first, self.with_cause),
            (self.among_few, self.with_cause),
        )
        cells = [f"{part} of {whole} ({part / whole:.1%})" for part, whole in rates if whole]
        return f"| {name} | {' | '.join(cells)} |"


def read_reports(path: Path) -> list[dict[str, Any]]:
    """Return the reports of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(reports: Iterable[dict[str, Any]]) -> Rates:
    """Look up each report, and count the right answers.

    As in `explain`, but the corpus is read once.
    """
    known = cache(lambda symptom: cases_with(ROOT, symptom))
    order = index_file.read(ROOT).cases
    counts = dict.fromkeys(("reports", "symptom", "with_cause", "first", "among_few"), 0)
    for report in reports:
        found = symptoms_in(report["text"])
        symptom = found[0].symptom if found else None
        cases = ranked(report["text"], known(symptom), order)[:FEW] if symptom else []
        right = set(report.get("cases", []))
        counts["reports"] += 1
        counts["symptom"] += symptom in report["symptoms"]
        counts["with_cause"] += bool(right)
        counts["first"] += bool(right.intersection(cases[:1]))
        counts["among_few"] += bool(right.intersection(cases))
    return Rates(**counts)


def main() -> None:
    """Print a table with a row for each half."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reports", nargs="?", type=Path, default=REPORTS)
    reports = read_reports(parser.parse_args().reports)
    print("| reports | right symptom | right case first | right case among three |")
    print("| --- | --- | --- | --- |")
    for half in dict.fromkeys(report["half"] for report in reports):
        print(measure(one for one in reports if one["half"] == half).row(half))


if __name__ == "__main__":
    main()
