"""Tools that know nothing of networks score like a coin on a default hand-out."""

from __future__ import annotations

import functools
from itertools import combinations
from statistics import mean
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.score.adapters import _similar, memoriser, text_differ
from broken_convnets.commands.score.adapters.coin import Coin
from broken_convnets.commands.score.adapters.memoriser import Memoriser
from broken_convnets.commands.score.adapters.text_differ import TextDiffer
from broken_convnets.commands.score.metrics.intervals import rate
from broken_convnets.commands.score.metrics.score import Score, compute_score
from broken_convnets.commands.score.programs.edit import with_lines_of_fixes
from broken_convnets.commands.score.programs.hand_out import Sides, batches, handed_out
from broken_convnets.commands.score.programs.patch import PatchError, apply_patch
from broken_convnets.commands.score.programs.program import CorpusProgram, corpus_programs
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    ProgramNames,
    Request,
    Status,
)
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.similarity import NEARLY_SAME, similarity
from broken_convnets.util.jaccard import jaccard_index
from kit import our_corpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.score.metrics.intervals import RateDifference
    from broken_convnets.corpus.entries import Entry

CORPUS = our_corpus()
ENTRIES = {name: CORPUS.entries[name] for name in sorted(CORPUS.entries)[::3]}  # to save time
SEEDS = range(8)
# How many of 8 intervals of a coin may lie above 0. Each one does in 2.5 % of draws, so that more
# than 2 of them do in 0.1 %.
ABOVE_0 = 2


class DocstringPairing(Tool):
    """Pairs programs by their docstrings: the shorter one is broken."""

    def diagnose_all(self, requests: Sequence[Request]) -> list[Diagnosis]:
        """Compare each program with the other ones that have its first line."""
        sizes: dict[str, list[int]] = {}
        for one in requests:
            sizes.setdefault(_first_line(one), []).append(len(one.source))
        return [_flagged(len(one.source) < max(sizes[_first_line(one)])) for one in requests]


class IdReader(Tool):
    """Flags by the first digit of the id."""

    def diagnose(self, request: Request) -> Diagnosis:
        """Flag half of the ids."""
        return _flagged(request.id[0] in "01234567")


class NextProgram(Memoriser):
    """Knows every entry by heart, except the one that it is asked about."""

    def diagnose(self, request: Request) -> Diagnosis:
        """Return the answer to the most similar program of another entry."""
        return _recalled_without(request.source, ENTRY_OF[request.source])


@functools.cache
def _recalled_without(source: str, entry: str) -> Diagnosis:
    others = [one for one in memoriser.memory() if ENTRY_OF.get(one.source, entry) != entry]
    return memoriser.recalled(source, others)


def _everything() -> list[tuple[int, Entry]]:
    return [(0, entry) for entry in ENTRIES.values()]


def _name(tool: Tool) -> str:
    return type(tool).__name__


def _first_line(request: Request) -> str:
    return request.source.partition("\n")[0]


def _flagged(broken: bool) -> Diagnosis:  # noqa: FBT001  (the only argument)
    return Diagnosis(Status.FLAGGED, [Finding("broken")]) if broken else Diagnosis(Status.CLEAN)


COIN = Coin()
BLIND = [COIN, TextDiffer(), DocstringPairing(), IdReader(), NextProgram()]
ENTRY_OF = {one.source: one.entry for one in corpus_programs(_everything(), 0)}


@pytest.fixture(scope="module", autouse=True)
def _remembered() -> Iterator[None]:
    """Compare two programs once, because every hand-out has most of them again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_similar, "jaccard_index", functools.cache(jaccard_index))
        for module in (memoriser, text_differ):
            patch.setattr(module, "phrases", functools.cache(_similar.phrases))
        yield


@functools.cache
def _score(tool: Tool, seed: int, sides: Sides = Sides.ONE) -> Score:
    """Return a tool's score; a fix counts as working if it results in the program's own fix.

    The tool receives the hand-out in large batches; all at once if that has both sides.
    """
    programs = handed_out(corpus_programs(_everything(), seed), seed, sides)
    split = [programs] if sides is Sides.BOTH else batches(programs, len(programs))
    return compute_score([one for batch in split for one in _results(tool, batch)])


def _results(tool: Tool, batch: Sequence[CorpusProgram]) -> list[ToolResult]:
    requests = [
        Request(one.id, "net.py", one.source, ProgramNames(), "python", 60) for one in batch
    ]
    answers = tool.diagnose_all(requests)
    return [_result(*pair) for pair in zip(batch, answers, strict=True)]


def _half_width(found: list[RateDifference]) -> float:
    return mean(one.high - one.low for one in found) / 2


def _result(program: CorpusProgram, answer: Diagnosis) -> ToolResult:
    located = with_lines_of_fixes(answer, program.source)
    fix = next((one.fix for one in located.findings if one.fix), None)
    return ToolResult(program, located, 0.0, _is_true_fix(program, fix) if fix else None)


def _is_true_fix(program: CorpusProgram, fix: str) -> bool:
    case = CORPUS.entries[program.entry]
    try:
        return isinstance(case, Case) and apply_patch(fix, program.source) == case.fixed
    except PatchError:
        return False


@pytest.mark.parametrize("tool", BLIND, ids=_name)
@pytest.mark.slow
def test_a_tool_that_knows_nothing_of_a_program_has_the_headline_of_a_coin(tool: Tool) -> None:
    found = [_score(tool, seed).youden_j for seed in SEEDS]
    assert sum(one.low > 0 for one in found) <= ABOVE_0
    assert mean(one.value or 0 for one in found) < _half_width(found)


@pytest.mark.slow
@pytest.mark.parametrize("tool", BLIND, ids=_name)
def test_a_tool_that_knows_nothing_of_a_program_points_at_causes_like_a_coin(tool: Tool) -> None:
    pointed = [_score(tool, seed).location.cause for seed in SEEDS]
    coins = [_score(COIN, seed).location.cause for seed in SEEDS]
    assert mean(one.share or 0 for one in pointed) <= mean(one.high for one in coins)


@pytest.mark.parametrize("tool", BLIND, ids=_name)
def test_a_tool_that_knows_nothing_of_a_program_repairs_as_much_as_nothing(tool: Tool) -> None:
    for seed in SEEDS:
        working = _score(tool, seed).fixes.working
        assert working.count / working.of <= rate([False] * working.of).high


@pytest.mark.parametrize("tool", [TextDiffer(), DocstringPairing()], ids=_name)
@pytest.mark.slow
def test_both_sides_reveal_which_program_is_broken(tool: Tool) -> None:
    """The reason why a hand-out has one side of each pair, and that the limit rejects a leak."""
    found = [_score(tool, seed, Sides.BOTH).youden_j for seed in range(ABOVE_0 + 1)]
    assert sum(one.low > 0 for one in found) > ABOVE_0
    assert mean(one.value or 0 for one in found) > _half_width(found)


@pytest.mark.slow
def test_memory_alone_knows_the_published_corpus() -> None:
    score = _score(Memoriser(), 1)
    assert score.youden_j.low > 0.5
    assert score.location.cause.low > 0.5
    assert score.fixes.working.low > 0.5


def test_a_tool_alone_with_a_program_cannot_compare_it() -> None:
    for tool in (TextDiffer(), DocstringPairing()):
        one = Request("0", "net.py", "x = 1", ProgramNames(), "python", 60)
        assert [one.status for one in tool.diagnose_all([one])] == [Status.CLEAN]


def test_pairs_are_near_twins() -> None:
    """What is as similar as a pair reveals as much."""
    pairs = [one for one in CORPUS.entries.values() if isinstance(one, Case)]
    assert mean(similarity(one.broken, one.fixed) >= NEARLY_SAME for one in pairs) > 0.98


@pytest.mark.parametrize("seed", range(3))
def test_no_two_programs_of_a_batch_are_near_twins(seed: int) -> None:
    everything = [(0, entry) for entry in CORPUS.entries.values()]
    programs = handed_out(corpus_programs(everything, seed), seed, Sides.ONE)
    found = list(batches(programs, 1000))
    for batch in found:
        for one, other in combinations(batch, 2):
            assert similarity(one.source, other.source) < NEARLY_SAME, (one.entry, other.entry)
    assert sorted(one.id for batch in found for one in batch) == sorted(one.id for one in programs)
    assert len(found) < 40


def test_a_side_is_drawn_for_each_seed_and_entry() -> None:
    drawn = []
    for seed in range(3):
        programs = handed_out(corpus_programs(_everything(), seed), seed, Sides.ONE)
        assert sorted(one.entry for one in programs) == sorted(ENTRIES)
        drawn.append({one.key for one in programs})
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_batch_never_holds_two_programs_of_an_entry(size: int) -> None:
    few = _everything()[::10]
    programs = corpus_programs([*few, *((1, entry) for _, entry in few)], 1)
    split = list(batches(programs, size))
    assert sorted(one.id for batch in split for one in batch) == sorted(one.id for one in programs)
    for batch in split:
        assert 0 < len(batch) <= size
        assert len({one.entry for one in batch}) == len(batch)
        assert len({one.source for one in batch}) == len(batch)
