"""Draw programs from a seed: a fault class, a healthy program with a site for it, the site."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, TypeVar

from broken_convnets.commands.variants.layout import render
from broken_convnets.commands.wild.faults.edits import Site, applied
from broken_convnets.commands.wild.faults.find import last_name, layer_call
from broken_convnets.commands.wild.faults.registry import ANY_RUN
from broken_convnets.commands.wild.hosts.networks import Wrapper, wrappers_of
from broken_convnets.commands.wild.hosts.original import STYLE, Original, original
from broken_convnets.commands.wild.hosts.runs import Run
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.wild.faults.registry import Fault
    from broken_convnets.commands.wild.hosts.host import Host
    from broken_convnets.commands.wild.store import OriginalCheck

Item = TypeVar("Item")

BLOCK = 400  # programs that share the drawn configurations of the models
OF_ONE_MODEL = 3  # drafts of a number, before it turns to the next model


@dataclass(frozen=True)
class Draft:
    """A fault class and a healthy program that it fits into; number `number` of a seed."""

    number: int
    fault: Fault
    original: Original
    plain: str  # the source code of the same network with no run, whose structure is judged
    seed: int

    @property
    def id(self) -> str:
        """The id of the program in the corpus that is written."""
        return f"{self.fault.case}_{self.original.host}_{self.number}"


class Draws:
    """The drafts of one seed."""

    def __init__(self, hosts: Sequence[Host], faults: Sequence[Fault], seed: int) -> None:
        """Draw from these models and fault classes."""
        self._hosts, self._faults, self._seed = hosts, faults, seed

    def drafts(self, number: int) -> Iterator[Draft]:
        """Yield the drafts with a number, the next one for when those before it cannot be used."""
        fault = self._faults[number % len(self._faults)]
        cycle, first = divmod(number // len(self._faults), len(self._hosts))
        for host in _from(first, self._order(fault)):
            yield from islice(self._of_model(host, fault, number, cycle), OF_ONE_MODEL)

    def _of_model(self, host: Host, fault: Fault, number: int, first: int) -> Iterator[Draft]:
        """Yield the drafts in one model; `first` is where to begin with what is around it."""
        configuration = f"{self._seed}/{number // BLOCK}"
        for wrapper, run in _from(first, shapes(host, fault, configuration)):
            found = original(host, wrapper, run, configuration)
            if sites(fault, found.source)[1]:
                plain = original(host, wrapper, Run.FORWARD, configuration)
                yield Draft(number, fault, found, plain.source, self._seed)

    def _order(self, fault: Fault) -> list[Host]:
        """Return the models in a random order: each program of a class begins with the next one."""
        rng = Random(f"{self._seed}/{fault.case}")  # noqa: S311  (repeatable, not secret)
        return rng.sample(self._hosts, len(self._hosts))


def _from(first: int, items: list[Item]) -> list[Item]:
    """Return the items in the same order, but beginning with another one."""
    at = first % max(1, len(items))
    return items[at:] + items[:at]


def shapes(host: Host, fault: Fault, configuration: str) -> list[tuple[Wrapper, Run]]:
    """Return what can be around a model, in a random order that all fault classes share.

    So they share the healthy programs too, which cost most of the time.
    """
    rng = Random(f"{configuration}/{host.name}")  # noqa: S311  (repeatable, not secret)
    every = [(wrapper, run) for wrapper in wrappers_of(host) for run in Run]
    return [
        (wrapper, run)
        for wrapper, run in rng.sample(every, len(every))
        if run in fault.runs and (run in ANY_RUN or _can_have_loss(host, wrapper, run))
    ]


def _can_have_loss(host: Host, wrapper: Wrapper, run: Run) -> bool:
    """Return whether a healthy program can have the loss of a run.

    A cross-entropy expects scores and no probabilities.
    """
    without_steps = host.smooth and host.auxiliary is None
    fits = host.learns and (without_steps or run is not Run.LOSS)
    return fits and wrapper is not Wrapper.PROBABILITIES


@lru_cache(maxsize=4096)
def sites(fault: Fault, source: str) -> tuple[ast.Module, list[Site]]:
    """Return the syntax tree of a program and where a fault class fits into it."""
    tree = _parsed(source)
    return tree, list(fault.find(tree))


@lru_cache(maxsize=512)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def broken_sources(draft: Draft, check: OriginalCheck) -> Iterator[str]:
    """Yield the draft's broken programs in a random order: one for each site that can be used.

    A site must run, and have a fitting layer. `check` is that of its healthy program.
    """
    tree, found = sites(draft.fault, draft.original.source)
    reached = [site for site in found if _lines(site) & set(check.lines)]
    if draft.fault.same_shape:
        reached = [site for site in reached if _layer(site) in check.same_shape]
    rng = Random(f"{draft.seed}/{draft.number}/site")  # noqa: S311  (repeatable, not secret)
    for site in rng.sample(reached, len(reached)):
        yield render(applied(tree, site), STYLE)


def _layer(site: Site) -> str:
    node = site[0].node
    found = layer_call(node) if isinstance(node, ast.stmt) else None
    return last_name(found[1].func) if found else ""


def _lines(site: Site) -> set[int]:
    node = site[0].node
    if not isinstance(node, ast.stmt | ast.expr):
        message = f"a site cannot begin with a {type(node).__name__}"
        raise UsageError(message)
    first = (
        node.body[0] if isinstance(node, ast.FunctionDef) else node
    )  # its first line always runs
    return set(range(first.lineno, (node.end_lineno or node.lineno) + 1))
