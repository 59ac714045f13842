"""Which cases a learner goes through, and in which order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from broken_convnets.commands.learn.progress import Progress, State
from broken_convnets.corpus.entries import Case
from broken_convnets.errors import CorpusError

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus


def alias(case: Case) -> str:
    """Return the name that a learner sees: the topic, and nothing about the mistake.

    An id names the mistake, which would be half of the answer. The alias follows from the
    id alone, so it stays the same while the corpus grows.
    """
    return f"{case.id.partition('/')[0]}/net_{hashlib.sha256(case.id.encode()).hexdigest()[:6]}"


def course(corpus: Corpus, patterns: list[str]) -> list[Case]:
    """Return the cases that `patterns` name, in their order; within one by level, topic and id.

    A pattern is what `list` takes, or an alias. Without patterns, every case. Raises
    CorpusError where there is none.
    """
    aliases = {alias(case): case.id for case in _cases(corpus)}
    aliases |= {name.partition("/")[2]: known for name, known in aliases.items()}
    chosen: dict[str, Case] = {}
    for pattern in patterns or [""]:
        group = [aliases.get(pattern.removesuffix(".py"), pattern)] if pattern else []
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


def _cases(corpus: Corpus) -> list[Case]:
    return [entry for entry in corpus.entries.values() if isinstance(entry, Case)]


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
