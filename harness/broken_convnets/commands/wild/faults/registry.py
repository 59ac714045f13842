"""The registry of fault classes: the case of the corpus, how it fails, and where it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.faults.edits import Site
from broken_convnets.commands.wild.hosts.runs import Run

if TYPE_CHECKING:
    import ast

    from broken_convnets.vocabulary import Law

Find = Callable[["ast.Module"], Iterator[Site]]

ANY_RUN = (Run.FORWARD, Run.PREDICT)  # enough for mistakes inside a network
TRAINING = (Run.TRAIN, Run.SCHEDULE, Run.VALIDATE)


@dataclass(frozen=True)
class Fault:
    """A mistake of the corpus; `case` is its id there.

    It raises one of `raises`, or is silent and violates at least the laws `violates`. It is made
    in programs with one of `runs`.
    """

    case: str
    find: Find
    raises: frozenset[str]
    violates: frozenset[Law]
    runs: tuple[Run, ...]

    @property
    def silent(self) -> bool:
        """Whether the mistake raises nothing."""
        return bool(self.violates)


FAULTS: dict[str, Fault] = {}


def loud(case: str, *raises: str, runs: tuple[Run, ...] = ANY_RUN) -> Callable[[Find], Find]:
    """Register a function that finds the sites of a mistake which raises an exception."""
    return _registering(case, frozenset(raises), frozenset(), runs)


def silent(case: str, *violates: Law, runs: tuple[Run, ...] = ANY_RUN) -> Callable[[Find], Find]:
    """Register a function that finds the sites of a mistake which violates laws."""
    return _registering(case, frozenset(), frozenset(violates), runs)


def _registering(
    case: str, raises: frozenset[str], violates: frozenset[Law], runs: tuple[Run, ...]
) -> Callable[[Find], Find]:
    def register(find: Find) -> Find:
        FAULTS[case] = Fault(case, find, raises, violates, runs)
        return find

    return register
