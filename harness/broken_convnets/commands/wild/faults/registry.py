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
    title: str = ""  # empty for that of the case
    same_shape: bool = False  # fits only layers that return the shape of their input

    @property
    def silent(self) -> bool:
        """Whether the mistake raises nothing."""
        return bool(self.violates)


FAULTS: dict[str, Fault] = {}


def loud(
    case: str, *raises: str, runs: tuple[Run, ...] = ANY_RUN, title: str = ""
) -> Callable[[Find], Find]:
    """Register a function that finds the sites of a mistake which raises an exception."""

    def register(find: Find) -> Find:
        FAULTS[case] = Fault(case, find, frozenset(raises), frozenset(), runs, title)
        return find

    return register


def silent(
    case: str,
    *violates: Law,
    runs: tuple[Run, ...] = ANY_RUN,
    title: str = "",
    same_shape: bool = False,
) -> Callable[[Find], Find]:
    """Register a function that finds the sites of a mistake which violates laws."""

    def register(find: Find) -> Find:
        FAULTS[case] = Fault(case, find, frozenset(), frozenset(violates), runs, title, same_shape)
        return find

    return register
