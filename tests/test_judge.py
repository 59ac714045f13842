"""`judge` says whether a program repairs a case, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import broken_convnets
import pytest
from broken_convnets.commands.learn.judge import Judge, Judgement, RepairVerdict
from broken_convnets.corpus.entries import Case, default_root
from broken_convnets.errors import CorpusError
from kit import BROKEN, HEALTHY, Pair, Solo, case_of, corpus_of, our_corpus, patched
from other_programs import OTHER_PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.sandbox.job import Limits
    from kit import Remembering

CASE = "none/missing_return"
FLATTEN = "        return self.fc(torch.flatten(x, 1))\n"
SWALLOWED = (
    "        try:\n            return self.fc(torch.flatten(x, 1))\n"
    "        except TypeError:\n            return torch.zeros(4, 10)\n"
)


@pytest.fixture(scope="module")
def judge(runner: Remembering) -> Judge:
    return Judge(runner=runner)


@pytest.fixture(scope="module")
def case() -> Case:
    entry = our_corpus().entries[CASE]
    assert isinstance(entry, Case)
    return entry


def test_the_fix_of_the_corpus_repairs_the_case(judge: Judge, case: Case) -> None:
    judgement = judge(CASE, case.fixed)
    assert judgement.ok
    assert judgement == Judgement(CASE, RepairVerdict.REPAIRED)
    assert judge(case, case.fixed) == judgement


@pytest.mark.parametrize("line", ["", "# the attention returns x\n"])
def test_the_broken_program_with_or_without_a_comment_fails(
    line: str, judge: Judge, case: Case
) -> None:
    judgement = judge(CASE, line + case.broken)
    assert not judgement.ok
    assert judgement.verdict is RepairVerdict.FAILS
    assert judgement.reason.startswith("TypeError: ")


def test_a_swallowed_exception_violates_a_law(judge: Judge, case: Case) -> None:
    judgement = judge(CASE, patched((FLATTEN, SWALLOWED), source=case.broken))
    assert judgement.verdict is RepairVerdict.VIOLATES
    assert "every-parameter-learns" in judgement.violated
    assert judgement.reason


@pytest.mark.parametrize(
    "source",
    ["", "Forward must return the tensor.", "x = " + "-" * 100_000 + "1", "\0", "\ud800 = 1\n"],
    ids=["nothing", "prose", "deeply nested", "a null byte", "a lone surrogate"],
)
def test_a_text_that_is_not_the_program_is_not_a_repair(source: str, judge: Judge) -> None:
    judgement = judge(CASE, source)
    assert not judgement.ok
    assert judgement.reason
    assert "\n" not in judgement.reason


@pytest.mark.parametrize("read", ["open({!r}).read()", "__import__('pathlib').Path({!r})"])
def test_a_program_that_opens_the_fix_is_not_run(read: str, judge: Judge, case: Case) -> None:
    path = str(default_root() / "fixes" / f"{CASE}.py")
    judgement = judge(CASE, f"{case.broken}\nexec({read.format(path)})\n")
    assert judgement.verdict is RepairVerdict.REFUSED
    assert judgement.violated == ("program-contract",)


def test_a_case_of_other_releases_does_not_apply(judge: Judge) -> None:
    judgement = judge(case_of(Pair(extra={"torch": "<1"})), HEALTHY)
    assert judgement.verdict is RepairVerdict.NOT_APPLICABLE
    assert not judgement.ok


@pytest.mark.parametrize("name", OTHER_PROGRAMS)
def test_another_program_in_its_place_is_no_repair(name: str, judge: Judge) -> None:
    judgement = judge(case_of(Pair()), OTHER_PROGRAMS[name])
    assert judgement.verdict is RepairVerdict.VIOLATES
    assert judgement.violated == ("same-program",)
    assert "less than 60% of its lines" in judgement.reason


def test_an_unknown_id_and_a_control_are_refused_with_what_to_do(
    runner: Remembering, tmp_path: Path
) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    judge = Judge(tmp_path, runner)
    assert not judge("shape/pair", BROKEN).ok
    with pytest.raises(CorpusError, match="did you mean shape/pair"):
        judge("shape/pear", HEALTHY)
    with pytest.raises(CorpusError, match="dtype/myth is a control"):
        judge("dtype/myth", HEALTHY)


@pytest.mark.parametrize(("name", "source"), [(CASE, b"x"), (CASE, None), (7, "x")])
def test_arguments_of_another_type_are_refused(name: Any, source: Any, judge: Judge) -> None:
    with pytest.raises(TypeError, match="pass"):
        judge(name, source)


def test_the_function_opens_and_closes_its_own_judge(
    runner: Remembering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair()})
    opened: list[Limits] = []
    module = "broken_convnets.commands.learn.judge.open_torch_runner"

    def opening(limits: Limits) -> Remembering:
        opened.append(limits)
        return runner

    monkeypatch.setattr(module, opening)
    assert broken_convnets.judge("shape/pair", HEALTHY, corpus=tmp_path).ok
    assert [limits.hidden for limits in opened] == [[str(tmp_path)]]
