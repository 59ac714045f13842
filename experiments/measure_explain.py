"""Measure how often `explain` ranks a right case first, or among the first three.

    python experiments/measure_explain.py [REPORTS.jsonl] [--probes MESSAGES.jsonl]

Without arguments it uses the 80 reports of `tests/data/held_out.jsonl`, which were never read
for `other_messages` nor for the weights. A report is a line with `id`, `kind`, `url`, `error`,
`symptom` and `verbatim`; a kind in `evidence/reports.jsonl` takes precedence. A case is right
if its `covers` names the report's kind; reports of kinds without a case are left out and counted.

Other reports are ranked in three ways, since some `other_messages` were copied from them:

strict   before a report is ranked, remove every listed message that is a substring or a
         superstring of it
rebuilt  remove only those whose sole source is that report (leave one out)
whole    remove nothing: an upper bound; for the held-out reports, the figure itself

The 78 later reports of `tests/data/fresh.jsonl`, of kinds with and without a case, are ranked with
the current index. A report may have several right kinds; guides count as cases do. One half was
used to improve `explain`, the other one was held out.

The errors of other libraries in `tests/data/foreign.jsonl` should get no answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.explain import index, ranking, reading
from broken_convnets.corpus.entries import Case, load
from broken_convnets.corpus.guides import load_guides
from broken_convnets.corpus.wording import split, wording
from broken_convnets.verdicts import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broken_convnets.corpus.entries import Corpus

    Known = dict[str, list[messages.Message]]
    Ranker = Callable[[Known, str], list[str]]
    Report = dict[str, Any]

ROOT = Path(__file__).parent.parent
HELD_OUT = ROOT / "tests/data/held_out.jsonl"
FRESH = ROOT / "tests/data/fresh.jsonl"
FOREIGN = ROOT / "tests/data/foreign.jsonl"
EVIDENCE = ROOT / "evidence/reports.jsonl"
MODES = ("strict", "rebuilt", "whole")
FEW = 3  # answers that `explain` shows


def read_lines(path: Path) -> list[Report]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_reports(path: Path) -> list[Report]:
    """Return the reports of a file, with the kinds as the evidence has them now."""
    kinds = {line["id"]: line["kind"] for line in read_lines(EVIDENCE)}
    return [
        {**report, "kind": kinds.get(report["id"], report["kind"])} for report in read_lines(path)
    ]


@cache
def bare(text: str) -> str:
    """Return a text's wording, without the class of an exception."""
    return wording(split(text)[1]).lower().strip(" .")


def same(one: str, other: str) -> bool:
    """Return whether two texts are equal, or one contains the other."""
    first, second = bare(one), bare(other)
    return bool(first and second) and (first in second or second in first)


class Held:
    """The known messages without those that a report may have contributed."""

    def __init__(
        self, known: Known, cases: dict[str, Case], reports: list[Report], probed: list[str]
    ) -> None:
        """Take all known messages, all reports, and the messages that probes produced."""
        self.known, self.cases, self.reports, self.probed = known, cases, reports, probed

    def strict(self, report: Report) -> Known:
        """Return the messages without listed ones that are similar to the report."""
        return self._without(report, lambda *_: False)

    def rebuilt(self, report: Report) -> Known:
        """Return the messages without listed ones that only this report contains."""
        return self._without(report, self._has_other_source)

    def whole(self, report: Report) -> Known:
        """Return all messages."""
        return self._without(report, lambda *_: True)

    def _without(
        self, report: Report, keep: Callable[[messages.Message, str, Report], bool]
    ) -> Known:
        error = report["error"]
        return {
            name: [
                m
                for m in found
                if m.source != "listed" or not same(m.message, error) or keep(m, name, report)
            ]
            for name, found in self._ordered(report)
        }

    def _ordered(self, report: Report) -> list[tuple[str, list[messages.Message]]]:
        """Return the cases in the order that they would have without this report."""
        counts = Counter(other["kind"] for other in self.reports if other["url"] != report["url"])
        order = messages.ordered(list(self.cases.values()), counts)
        return [(case.id, self.known[case.id]) for case in order]

    def _has_other_source(self, message: messages.Message, name: str, report: Report) -> bool:
        others = (
            other["error"]
            for other in self.reports
            if other["url"] != report["url"] and other["kind"] in self.cases[name].spec.covers
        )
        return any(same(message.message, text) for text in (*self.probed, *others))


def by_explain(known: Known, text: str) -> list[str]:
    """Rank as `explain` does."""
    ranks = ranking.rank(index.build(known), reading.read(text), ranking.Weights())
    return [item.id for item in ranks]


def by_difflib(known: Known, text: str) -> list[str]:
    """Rank by the most similar masked message: the baseline, which always answers."""
    best: dict[str, float] = {}
    for name, found in known.items():
        for message in found:
            best[name] = max(best.get(name, 0), _ratio(bare(text), bare(message.message)))
    return sorted(best, key=lambda name: (-best[name], name))


@cache
def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


@dataclass(frozen=True)
class Ranked:
    """A report, the ids in order, and the place of the first right one; 0 if there is none."""

    report: Report
    ids: list[str]
    place: int


def ranked(
    reports: Iterable[Report],
    covering: dict[str, set[str]],
    hold: Callable[[Report], Known],
    rank: Ranker,
) -> list[Ranked]:
    """Rank each report."""
    found = []
    for report in reports:
        ids = rank(hold(report), report["error"])
        right = [place for place, name in enumerate(ids, 1) if name in covering[report["kind"]]]
        found.append(Ranked(report, ids, right[0] if right else 0))
    return found


def shares(found: list[Ranked]) -> str:
    """Return the shares of right answers, first and among FEW, and of no answer."""
    total = max(len(found), 1)
    first = sum(item.place == 1 for item in found) / total
    few = sum(1 <= item.place <= FEW for item in found) / total
    none = sum(not item.ids for item in found) / total
    return (
        f"{len(found):4} reports  first {first:6.1%}  top {FEW} {few:6.1%}  no answer {none:6.1%}"
    )


def fresh_places(corpus: Corpus, half: str) -> list[int]:
    """Return the place of the first right answer to each fresh report; 0 if there is none."""
    covers = {
        name: entry.spec.covers for name, entry in corpus.entries.items() if isinstance(entry, Case)
    }
    guides = load_guides(corpus.root).valid
    covers |= {name: guide.spec.covers for name, guide in guides.items()}
    found_index = index.index_of(corpus)
    places = []
    for report in (line for line in read_lines(FRESH) if line["half"] == half):
        ranks = ranking.rank(found_index, reading.read(report["error"]), ranking.Weights())
        right = [
            place
            for place, item in enumerate(ranks, 1)
            if set(covers[item.id]).intersection(report["kinds"])
        ]
        places.append(right[0] if right else 0)
    return places


def print_misses(found: list[Ranked]) -> None:
    """Print each report whose first answer is not right."""
    for item in found:
        if item.place != 1:
            first = item.ids[0] if item.ids else "no answer"
            print(f"  {item.report['id']} {item.report['kind']}: place {item.place}, {first}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reports", type=Path, nargs="?", default=HELD_OUT)
    parser.add_argument("--probes", type=Path, help="messages measured on other releases, JSONL")
    parser.add_argument("--misses", action="store_true", help="print each miss of `whole`")
    options = parser.parse_args()
    corpus = load(ROOT)
    cases = {name: entry for name, entry in corpus.entries.items() if isinstance(entry, Case)}
    covering: dict[str, set[str]] = defaultdict(set)
    for name, case in cases.items():
        for kind in case.spec.covers:
            covering[kind].add(name)
    everything = read_reports(options.reports)
    reports = [report for report in everything if report["kind"] in covering]
    probed = [
        str(result["result"])
        for probe in (read_lines(options.probes) if options.probes else [])
        for result in probe["by_version"].values()
    ]
    known = messages.known(corpus)
    held = Held(known, cases, everything, probed)
    modes = ("whole",) if options.reports == HELD_OUT else MODES
    print(f"{len(everything)} reports, {len(everything) - len(reports)} of kinds without a case")
    for name, rank in {"explain": by_explain, "difflib": by_difflib}.items():
        for mode in modes:
            found = ranked(reports, covering, getattr(held, mode), rank)
            crashes = [
                item
                for item in found
                if item.report["symptom"] == "crash" and item.report["verbatim"]
            ]
            print(f"{name} {mode:8} all              {shares(found)}")
            print(f"{name} {mode:8} verbatim crashes {shares(crashes)}")
            if options.misses and (name, mode) == ("explain", modes[-1]):
                print_misses(found)
    for half in ("tuning", "held out"):
        places = fresh_places(corpus, half)
        first = sum(place == 1 for place in places) / len(places)
        few = sum(1 <= place <= FEW for place in places) / len(places)
        print(f"fresh, {half}: {len(places)} reports  first {first:.1%}  top {FEW} {few:.1%}")
    foreign = read_lines(FOREIGN)
    whole = index.index_of(corpus)
    wrong = [
        item["id"]
        for item in foreign
        if ranking.rank(whole, reading.read(item["text"]), ranking.Weights())
    ]
    print(f"errors of other libraries: {len(wrong)} of {len(foreign)} answered {wrong or ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
