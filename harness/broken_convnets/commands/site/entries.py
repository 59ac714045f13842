"""What a page shows about one entry, gathered from the corpus and its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.show.page import symptom_line
from broken_convnets.corpus.diff import cause_lines
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.wording import split, wording
from broken_convnets.vocabulary import Law, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.verdicts.records import Baseline, Record

LEVELS = {1: "first week", 2: "first project", 3: "surprises experts"}


@dataclass(frozen=True)
class Message:
    """An exception of a case, and the releases that raise it with this message."""

    raises: str
    message: str
    releases: list[str]


@dataclass(frozen=True)
class LatestRecord:
    """The record of an entry under the newest release that has one."""

    release: str
    record: Record


def release_name(baseline: Baseline) -> str:
    """Return the name of a baseline's release: `2.14.1`, with the device unless that is the CPU."""
    return baseline.torch if baseline.device == "cpu" else f"{baseline.torch}, {baseline.device}"


def latest(baselines: list[Baseline], name: str) -> LatestRecord | None:
    """Return an entry's newest record; `baselines` are sorted from the newest to the oldest."""
    found = (
        (baseline, baseline.entries[name]) for baseline in baselines if name in baseline.entries
    )
    return next((LatestRecord(release_name(baseline), record) for baseline, record in found), None)


def runs(baselines: list[Baseline], names: Collection[str]) -> str:
    """Return a sentence that says how many of the entries were run, where, and how that ended."""
    if not baselines or not names:
        return "None of these networks was run here: each is shown as its author declares it."
    newest = baselines[0]
    records = [newest.entries[name] for name in names if name in newest.entries]
    good = sum(record.verdict.as_declared for record in records)
    where = f"torch {newest.torch} on {newest.device}"
    return (
        f"{len(records)} of {len(names)} entries were run with {where}; "
        f"{good} of them behave as documented."
    )


def where_run(name: str, baselines: list[Baseline]) -> str:
    """Return a sentence that says with which releases an entry was run."""
    found = [release_name(baseline) for baseline in baselines if name in baseline.entries]
    if not found:
        return "Not run: this page shows what is declared."
    return f"Run with torch {', '.join(found)}."


def messages(case: Case, baselines: list[Baseline]) -> list[Message]:
    """Return the distinct messages of a case, the newest release's first; none if it is silent.

    Returns the declared message if nothing was recorded.
    """
    releases: dict[tuple[str, str], list[str]] = {}
    for baseline in baselines:
        record = baseline.entries.get(case.id)
        side = record.broken if record and record.verdict is not Verdict.NOT_HERE else None
        if side is not None and side.raises:
            releases.setdefault((side.raises, side.message), []).append(release_name(baseline))
    if not releases and case.spec.broken.raises:
        releases[case.spec.broken.raises, case.spec.broken.message or ""] = []
    return [Message(raises, message, names) for (raises, message), names in releases.items()]


def deviations(name: str, baselines: list[Baseline]) -> dict[str, str]:
    """Return what differs from the page, for each release under which something does."""
    records = {release_name(baseline): baseline.entries.get(name) for baseline in baselines}
    usual = {Verdict.REPRODUCED, Verdict.WORKS}
    return {
        release: _deviation(record)
        for release, record in records.items()
        if record is not None and record.verdict not in usual
    }


def _deviation(record: Record) -> str:
    if record.verdict is not Verdict.NOT_HERE:
        return record.verdict.value.replace("_", " ")
    if record.fixed is not None and record.fixed.raises:
        what = "the fixed program fails" if record.broken else "the program fails"
        return f"{what}: {record.fixed.raises}: {record.fixed.message.strip()}"
    return "the case does not fail"


def lines_below_mistake(case: Case) -> int | None:
    """Return how many lines below the mistake the case raises; None if it is silent.

    Negative if it raises above the mistake.
    """
    symptom = symptom_line(case)
    if symptom is None:
        return None
    return min((symptom - cause for cause in cause_lines(case.broken, case.fixed)), key=abs)


def descriptions(names: Iterable[str]) -> dict[str, str]:
    """Return the description of each law; empty for a recorded law that no longer exists."""
    known = {law.value: law.description for law in Law}
    return {name: known.get(name, "") for name in names}


def is_silent(case: Case) -> bool:
    """Return whether the case raises nothing."""
    return case.spec.broken.stage is Stage.SILENT


def similar(corpus: Corpus, baselines: list[Baseline]) -> dict[str, list[str]]:
    """Return for each case the others with the same message or the same violated laws."""
    cases = {name: entry for name, entry in corpus.entries.items() if isinstance(entry, Case)}
    symptoms = {name: _symptoms(case, baselines) for name, case in cases.items()}
    with_symptom: dict[tuple[str, str], list[str]] = {}
    for name, own in symptoms.items():
        for symptom in own:
            with_symptom.setdefault(symptom, []).append(name)
    return {
        name: sorted({other for symptom in own for other in with_symptom[symptom]} - {name})
        for name, own in symptoms.items()
    }


def _symptoms(case: Case, baselines: list[Baseline]) -> set[tuple[str, str]]:
    """Return the exceptions with their wordings, without numbers, or the violated laws."""
    if is_silent(case):
        return {("silent", ", ".join(sorted(case.spec.broken.violates)))}
    recorded = {(one.raises, wording(one.message)) for one in messages(case, baselines)}
    others = (split(one.message) for one in case.spec.other_messages)
    return recorded | {(raises, wording(message)) for raises, message in others}
