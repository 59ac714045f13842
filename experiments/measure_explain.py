"""Measure how often `explain` names the right case first, or among three, for real reports.

    python tests/measure_explain.py REPORTS.jsonl [--probes WORDINGS.jsonl]

A report is a line with `id`, `kind`, `url`, `error`, `symptom` and `verbatim`. A case is right
where its `covers` names the report's kind; kinds without a case are left out and counted.
Before a report is ranked, all of `seen` that its own text equals, holds, or is held by is taken
out of the index (`strict`); or only what no probe and no other report of a covered kind says
(`rebuilt`: the index as it would be, had the report never been read); or nothing (`whole`).
What programs of the corpus said when they were run stays: it was not copied from a report.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from broken_convnets.commands.explain import ranking, reading  # noqa: E402  (likewise)
from broken_convnets.corpus import entries as corpora  # noqa: E402  (a script)
from broken_convnets.corpus import messages
from broken_convnets.corpus.wording import split, wording  # noqa: E402  (likewise)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Known = dict[str, list[messages.Message]]
    Ranker = Callable[[Known, str], list[str]]

FOREIGN = Path(__file__).parent / "data" / "foreign.jsonl"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def told(text: str) -> str:
    """Return a text's wording, without the class of an exception."""
    return wording(split(text)[1]).lower().strip(" .")


def same(one: str, other: str) -> bool:
    """Whether two texts say the same, or one holds the other."""
    first, second = told(one), told(other)
    return bool(first and second) and (first in second or second in first)


class Held:
    """The index without what a report may have brought into it."""

    def __init__(
        self,
        known: Known,
        cases: dict[str, corpora.Case],
        reports: list[dict[str, Any]],
        probed: list[str],
    ) -> None:
        """Remember what each wording rests on."""
        self.known, self.cases, self.reports, self.probed = known, cases, reports, probed

    def strict(self, report: dict[str, Any]) -> Known:
        """Leave out all of `seen` that says what the report says."""
        return self._without(report, lambda *_: False)

    def rebuilt(self, report: dict[str, Any]) -> Known:
        """Leave out what only this report says."""
        return self._without(report, self._supported)

    def whole(self, report: dict[str, Any]) -> Known:
        """Leave nothing out."""
        return self._without(report, lambda *_: True)

    def _without(
        self, report: dict[str, Any], keep: Callable[[messages.Message, str, dict[str, Any]], bool]
    ) -> Known:
        error = report["error"]
        return {
            name: [
                m
                for m in found
                if m.source != "seen" or not same(m.message, error) or keep(m, name, report)
            ]
            for name, found in self._ordered(report)
        }

    def _ordered(self, report: dict[str, Any]) -> list[tuple[str, list[messages.Message]]]:
        """Order the cases as if this report did not count."""
        met = Counter(other["kind"] for other in self.reports if other["url"] != report["url"])
        order = messages.ordered(list(self.cases.values()), met)
        return [(case.id, self.known[case.id]) for case in order]

    def _supported(self, message: messages.Message, name: str, report: dict[str, Any]) -> bool:
        others = (
            other["error"]
            for other in self.reports
            if other["url"] != report["url"] and other["kind"] in self.cases[name].spec.covers
        )
        return any(same(message.message, text) for text in (*self.probed, *others))


def ours(known: Known, text: str) -> list[str]:
    """Rank as `explain` does."""
    index = ranking.build(known)
    return [item.id for item in ranking.rank(index, reading.read(text), ranking.Weights())]


def nearest(known: Known, text: str) -> list[str]:
    """Rank by the nearest masked message: the plain baseline, which always answers."""
    best: dict[str, float] = {}
    for name, found in known.items():
        for message in found:
            best[name] = max(best.get(name, 0), _ratio(told(text), told(message.message)))
    return sorted(best, key=lambda name: (-best[name], name))


@cache
def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def hits(
    reports: Iterable[dict[str, Any]],
    covering: dict[str, set[str]],
    hold: Callable[[dict[str, Any]], Known],
    rank: Ranker,
) -> list[tuple[dict[str, Any], list[str], int]]:
    """Return each report with its answer and the place of the first right case, 0 for none."""
    found = []
    for report in reports:
        names = rank(hold(report), report["error"])
        right = [index for index, name in enumerate(names, 1) if name in covering[report["kind"]]]
        found.append((report, names, right[0] if right else 0))
    return found


def shares(found: list[tuple[dict[str, Any], list[str], int]]) -> dict[str, float]:
    """Return the shares of right answers, first and among three, and of no answer."""
    total = max(len(found), 1)
    return {
        "reports": len(found),
        "top 1": sum(place == 1 for _, _, place in found) / total,
        "top 3": sum(1 <= place <= 3 for _, _, place in found) / total,
        "no answer": sum(not names for _, names, _ in found) / total,
    }


def by_kind(
    found: list[tuple[dict[str, Any], list[str], int]], covers: dict[str, list[str]]
) -> None:
    """Print a line per kind, with the kinds that it was taken for."""
    groups = defaultdict(list)
    for item in found:
        groups[item[0]["kind"]].append(item)
    for kind, items in sorted(groups.items()):
        figures = shares(items)
        taken = Counter(
            covers[names[0]][0] if names else "nothing" for _, names, place in items if place != 1
        )
        instead = ", ".join(f"{name} {count}" for name, count in taken.most_common(4))
        places = f"{figures['top 1']:4.0%} {figures['top 3']:4.0%}"
        print(f"  {kind:48} {len(items):3}  {places}  {instead}")


def foreign(use: str) -> list[tuple[str, list[str]]]:
    """Return the errors that are none of ours, kept for a use, with what they are taken for."""
    known = messages.known(corpora.load(ROOT))
    return [
        (item["id"], ours(known, item["text"]))
        for item in read_lines(FOREIGN)
        if item["use"] == use
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("reports", type=Path)
    parser.add_argument("--probes", type=Path, help="messages measured on other releases, JSONL")
    parser.add_argument("--no-baseline", action="store_true")
    options = parser.parse_args()
    cases = {
        name: entry
        for name, entry in corpora.load(ROOT).entries.items()
        if isinstance(entry, corpora.Case)
    }
    covers = {name: case.spec.covers for name, case in cases.items()}
    covering: dict[str, set[str]] = defaultdict(set)
    for name, kinds in covers.items():
        for kind in kinds:
            covering[kind].add(name)
    everything = read_lines(options.reports)
    reports = [report for report in everything if report["kind"] in covering]
    probed = (
        [
            str(result["result"])
            for probe in read_lines(options.probes)
            for result in probe["by_version"].values()
        ]
        if options.probes
        else []
    )
    held = Held(messages.known(corpora.load(ROOT)), cases, everything, probed)
    print(f"{len(everything)} reports, {len(everything) - len(reports)} of kinds without a case")
    crashes = [r for r in reports if r["symptom"] == "crash" and r["verbatim"]]
    rankers = {"explain": ours} if options.no_baseline else {"explain": ours, "difflib": nearest}
    for ranker, rank in rankers.items():
        for mode in ("strict", "rebuilt", "whole"):
            found = hits(reports, covering, getattr(held, mode), rank)
            verbatim = [item for item in found if item[0] in crashes]
            for group, items in (("all", found), ("verbatim crashes", verbatim)):
                figures = "  ".join(
                    f"{name} {value:.1%}" if value <= 1 else f"{name} {value:.0f}"
                    for name, value in shares(items).items()
                )
                print(f"{ranker}, {mode}, {group}: {figures}")
            if rank is ours and mode == "rebuilt":
                by_kind(verbatim, covers)
    for use in ("choose", "check", "late"):
        found_foreign = foreign(use)
        wrong = {name: answer[0] for name, answer in found_foreign if answer}
        print(f"not ours, {use}: {len(wrong)} false of {len(found_foreign)} {wrong or ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
