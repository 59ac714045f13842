"""The grader accepts true fixes of cases and of their variants, and no broken side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.commands.variants.verify import verified
from broken_convnets.corpus.entries import Case
from kit import our_corpus

if TYPE_CHECKING:
    from broken_convnets.sandbox.fork_client import ForkServer

CASES = [entry for entry in our_corpus().entries.values() if isinstance(entry, Case)]
SEED = 5  # of the variants
TOPICS = sorted({case.id.partition("/")[0] for case in CASES})


def _unsolved(grader: Grader, cases: list[Case]) -> dict[str, str]:
    """Return why the fix of a case is not accepted, by id; nothing if all are."""
    results = [grader.grade(case, case.fixed, "net.py") for case in cases]
    return {result.id: str(result) for result in results if not result.solved}


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_the_fix_of_every_case_is_accepted(topic: str, server: ForkServer) -> None:
    cases = [case for case in CASES if case.id.startswith(f"{topic}/")]
    assert cases
    assert _unsolved(Grader(server), cases) == {}


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_the_fix_of_every_variant_is_accepted(topic: str, server: ForkServer) -> None:
    cases = [case for case in CASES if case.id.startswith(f"{topic}/")]
    entries = [one.entry for one in verified(server, cases, 1, SEED)]
    variants = [entry for entry in entries if isinstance(entry, Case)]
    assert variants
    assert _unsolved(Grader(server), variants) == {}


@pytest.mark.slow
def test_a_broken_side_is_not_accepted(server: ForkServer) -> None:
    case = next(case for case in CASES if case.id == "none/missing_return")
    result = Grader(server).grade(case, case.broken, "net.py")
    assert not result.solved
