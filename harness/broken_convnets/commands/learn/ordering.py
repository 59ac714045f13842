"""Which cases a learner goes through, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn.progress import Progress, State
from broken_convnets.corpus import selection
from broken_convnets.corpus.entries import Case
from broken_convnets.errors import CorpusError

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus


def alias(case: Case) -> str:
    """Return the name that a learner sees, without a word about the mistake."""
    return selection.alias(case.id)


def course(corpus: Corpus, patterns: list[str]) -> list[Case]:
    """Return the cases that `patterns` name, in their order; within one by level, topic and id.

    Without patterns, every case. Raises CorpusError where there is none.
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
        message = f"{' '.join(patterns)} names no broken program to mend: see the pairs in `list`"
        raise CorpusError(message)
    return list(chosen.values())


def _order(case: Case) -> tuple[int, str]:
    return case.spec.level, case.id


def first(cases: list[Case], done: Progress, *, chosen: bool) -> int:
    """Return where to begin: at the current case if it is unsolved, else the first unsolved.

    Where the learner has `chosen` one case by name, there is no other.
    """
    unsolved = [
        number for number, case in enumerate(cases) if done.state(case.id) is not State.SOLVED
    ]
    current = [number for number in unsolved if cases[number].id == done.current]
    if chosen or not unsolved:
        return 0
    return (current or unsolved)[0]
