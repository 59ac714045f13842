"""Which cases a learner goes through, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn.progress import Progress, State
from broken_convnets.corpus import selection
from broken_convnets.corpus.entries import Case
from broken_convnets.errors import CorpusError
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus


def alias(case: Case) -> str:
    """Return the file name that a learner sees; it does not reveal the mistake."""
    return selection.alias(case.id)


def ordered_cases(corpus: Corpus, patterns: list[str]) -> list[Case]:
    """Return the cases that match `patterns`, in the order of the patterns.

    The matches of one pattern are sorted from easy to hard. Without patterns, returns every case.
    Raises CorpusError if there are none.
    """
    chosen: dict[str, Case] = {}
    for group in [[pattern] for pattern in patterns] or [[]]:
        cases = [
            entry
            for name in corpus.select(group)
            if isinstance(entry := corpus.entries.get(name), Case)
        ]
        chosen |= {case.id: case for case in sorted(cases, key=_order) if case.id not in chosen}
    if not chosen:
        message = f"{' '.join(patterns)} is a control: only a case has something to fix"
        raise CorpusError(message)
    return list(chosen.values())


def _order(case: Case) -> tuple[int, bool, int, str]:
    """Sort by level; in a level, those that raise come first, and short before long ones."""
    silent = case.spec.broken.stage is Stage.SILENT
    return case.spec.level, silent, len(case.broken.splitlines()), case.id


def start_index(cases: list[Case], done: Progress, *, chosen: bool) -> int:
    """Return the index of the current case if it is unsolved, else of the first unsolved one.

    Returns 0 if all are solved, or if the learner has `chosen` one case by name.
    """
    unsolved = [
        number for number, case in enumerate(cases) if done.state(case.id) is not State.SOLVED
    ]
    current = [number for number in unsolved if cases[number].id == done.current]
    if chosen or not unsolved:
        return 0
    return (current or unsolved)[0]
