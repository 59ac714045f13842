"""Compare the corpus with real reports: which kinds of failure have a case."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
from msgspec import Struct

from broken_convnets.corpus.entries import Case, Corpus
from broken_convnets.corpus.kinds import (
    UNCOVERED,
    covered,
    guided,
    uncovered,
    unknown_topics,
)
from broken_convnets.corpus.locations import root_to_write
from broken_convnets.errors import CorpusError
from broken_convnets.util import files
from broken_convnets.vocabulary import Stage

PAGE = "docs/coverage.md"
REPORTS = "evidence/reports.jsonl"
HEAD = """\
# What the corpus covers

Written by `broken-convnets coverage --write`; do not edit. Which mistakes happen in practice, and
which of them are in this collection? Each of many public reports of failing networks was assigned
one kind of mistake (`evidence/reports.jsonl`). A case covers the kinds that its program shows. A
guide covers kinds that need other hardware or libraries, without a program.
`evidence/uncovered.toml` says why a kind has neither.
"""


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """A public report of a failing network."""

    id: str
    kind: str
    symptom: str
    url: str


class Coverage(Struct, frozen=True):
    """Reports, cases and guides by kind, and the reasons for the kinds without a case or guide."""

    reports: dict[str, list[Report]]
    cases: dict[str, list[str]]
    guides: dict[str, list[str]]
    uncovered: dict[str, str]

    def problems(self) -> list[str]:
        """Return a sentence for each inconsistency."""
        found = []
        for kind in sorted({*self.reports, *self.cases, *self.guides, *self.uncovered}):
            names = ", ".join([*self.cases.get(kind, []), *self.guides.get(kind, [])])
            if kind not in self.reports:
                found.append(f"{kind}: no report is of this kind: correct it in {names or PAGE}")
            elif names and kind in self.uncovered:
                found.append(f"{kind}: covered by {names}: remove it from {UNCOVERED}")
            elif not names and kind not in self.uncovered:
                found.append(f"{kind}: no case or guide covers it: add one, or the reason why not")
        return found


def read(corpus: Corpus) -> Coverage:
    """Read the evidence of a corpus; raises CorpusError if it cannot be read."""
    path = corpus.root / REPORTS
    try:
        lines = path.read_bytes().splitlines()
        known = [msgspec.json.decode(line, type=Report) for line in lines]
    except (OSError, msgspec.DecodeError) as error:
        message = f"{path} cannot be read: {error}"
        raise CorpusError(message) from None
    reports = defaultdict(list)
    for report in known:
        reports[report.kind].append(report)
    return Coverage(dict(reports), covered(corpus), guided(corpus), uncovered(corpus))


def page(corpus: Corpus, coverage: Coverage) -> str:
    """Return `docs/coverage.md`."""
    entries = corpus.entries.values()
    cases = [entry for entry in entries if isinstance(entry, Case)]
    silent = sum(case.spec.broken.stage is Stage.SILENT for case in cases)
    total = sum(map(len, coverage.reports.values()))
    proven = sum(len(coverage.reports.get(kind, [])) for kind in coverage.cases)
    only_guided = sorted(coverage.guides.keys() - coverage.cases.keys())
    explained = sum(len(coverage.reports.get(kind, [])) for kind in only_guided)
    summary = [
        f"{len(cases)} pairs, {silent} of them silent, and {len(entries) - len(cases)} controls.",
        f"They cover {len(coverage.cases)} of {len(coverage.reports)} kinds,",
        f"and {proven} of {total} reports. Guides cover {len(only_guided)} more kinds,",
        f"and {explained} more reports.\n",
    ]
    lines = [
        HEAD,
        " ".join(summary),
        *_counts("topic", Counter(case.id.partition("/")[0] for case in cases)),
        *_counts("stage", Counter(case.spec.broken.stage.value for case in cases)),
        *_counts("level", Counter(str(case.spec.level) for case in cases)),
        "| kind | reports | cases |\n| --- | --- | --- |",
        *(
            f"| {kind} | {len(coverage.reports[kind])} | {', '.join(names)} |"
            for kind, names in sorted(coverage.cases.items())
            if kind in coverage.reports
        ),
        "\n| kind with a guide only | reports | guides |\n| --- | --- | --- |",
        *(
            f"| {kind} | {len(coverage.reports.get(kind, []))} | "
            f"{', '.join(coverage.guides[kind])} |"
            for kind in only_guided
        ),
        "\n| not covered | reports | why |\n| --- | --- | --- |",
        *(
            f"| {kind} | {len(coverage.reports.get(kind, []))} | {reason} |"
            for kind, reason in sorted(coverage.uncovered.items())
        ),
    ]
    return "\n".join(lines) + "\n"


def _counts(name: str, counts: Counter[str]) -> list[str]:
    rows = [f"| {key} | {count} |" for key, count in sorted(counts.items())]
    return [f"| {name} | pairs |\n| --- | --- |", *rows, ""]


def write_or_compare(corpus: Corpus, *, write: bool) -> list[str]:
    """Return the problems of the coverage, or write its page."""
    coverage = read(corpus)
    text = page(corpus, coverage)
    problems = [*map(str, unknown_topics(corpus)), *coverage.problems()]
    if write:
        path = root_to_write(corpus.root) / PAGE
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text)
    elif not (corpus.root / PAGE).is_file() or files.read(corpus.root / PAGE) != text:
        problems.append(f"{PAGE} is not current: run `broken-convnets coverage --write`")
    return problems
