"""A tool's fix is checked like a learner's: correct fixes work, hiding the failure does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.commands.score.fix_check import check_fix, fix_works
from broken_convnets.commands.score.programs.patch import PatchError, unified_diff
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Status
from broken_convnets.corpus.entries import Case
from kit import BROKEN, HEALTHY, Pair, case_of, our_corpus, patched, slow_but
from other_programs import OTHER_PROGRAMS

if TYPE_CHECKING:
    from kit import Remembering

CORPUS = our_corpus()
ATTENTION = "        x = x * weights[:, :, None, None]\n"
FLATTEN = "        return self.fc(torch.flatten(x, 1))\n"
OTHER = "shape/missing_flatten"


def _case(name: str = "none/missing_return") -> Case:
    entry = CORPUS.entries[name]
    assert isinstance(entry, Case)
    return entry


def _patch(*changes: tuple[str, str]) -> str:
    source = _case().broken
    return unified_diff(source, patched(*changes, source=source), "net_0.py")


WRONG = {
    "the failing line deleted": _patch((FLATTEN, "")),
    "try around the failing line": _patch(
        (
            FLATTEN,
            (
                "        try:\n            return self.fc(torch.flatten(x, 1))\n"
                "        except TypeError:\n            return torch.zeros(4, 10)\n"
            ),
        )
    ),
    "zeros": _patch((ATTENTION, "        return torch.zeros_like(x)\n")),
    "zeros for the result": _patch((FLATTEN, "        return torch.zeros(4, 10)\n")),
    "detached": _patch((ATTENTION, "        return (x * weights[:, :, None, None]).detach()\n")),
    "another program": unified_diff(_case().broken, _case(OTHER).fixed, "net_0.py"),
    "an empty program": unified_diff(_case().broken, "", "net_0.py"),
    "no call of the layer": _patch(("        x = self.attend(x)\n", "")),
    "a process that ends": _patch((ATTENTION, "        raise SystemExit(0)\n")),
    "no Python": _patch((ATTENTION, "        return x *\n")),
    "a diff of something else": unified_diff(_case(OTHER).broken, _case(OTHER).fixed, "net_0.py"),
    "no diff": "return x * weights[:, :, None, None]",
}
CORRECT = {
    "our own fix": unified_diff(_case().broken, _case().fixed, "net_0.py"),
    "another correct fix": _patch(
        (ATTENTION, "        return x.mul(weights.unflatten(1, (-1, 1, 1)))\n")
    ),
}


@pytest.fixture(scope="module")
def grader(runner: Remembering) -> Grader:
    return Grader(runner)


def _offering(*fixes: str | None) -> Diagnosis:
    return Diagnosis(Status.FLAGGED, [Finding("wrong", fix=fix) for fix in fixes])


@pytest.mark.parametrize("name", slow_but([*WRONG][:1], WRONG))
def test_a_fix_that_only_hides_the_failure_is_wrong(name: str, grader: Grader) -> None:
    assert fix_works(grader, _case(), _offering(WRONG[name])) is False


@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_fix_works(name: str, grader: Grader) -> None:
    assert fix_works(grader, _case(), _offering(CORRECT[name])) is True


def test_the_first_fix_counts(grader: Grader) -> None:
    correct, wrong = CORRECT["our own fix"], WRONG["zeros"]
    assert fix_works(grader, _case(), _offering(None, correct, wrong)) is True
    assert fix_works(grader, _case(), _offering(None, wrong, correct)) is False


def test_without_a_fix_there_is_no_verdict(grader: Grader) -> None:
    assert fix_works(grader, _case(), _offering(None, "")) is None
    assert fix_works(grader, _case(), Diagnosis(Status.CLEAN)) is None


def test_a_case_of_other_releases_is_not_checked(grader: Grader) -> None:
    case = case_of(Pair(extra={"torch": "<1"}))
    assert fix_works(grader, case, _offering(unified_diff(BROKEN, HEALTHY, "net_0.py"))) is None


def test_a_variant_is_compared_with_its_own_fix(grader: Grader) -> None:
    """The layers of a variant have other names, its id is that of the case."""
    renamed = {text: text.replace("conv", "first") for text in (BROKEN, HEALTHY)}
    plain, variant = case_of(Pair()), case_of(Pair(renamed[BROKEN], renamed[HEALTHY]))
    for case in (plain, variant):
        fix = unified_diff(case.broken, case.fixed, "net_0.py")
        assert fix_works(grader, case, _offering(fix)) is True
    assert variant.id == plain.id


@pytest.mark.parametrize("name", slow_but([*OTHER_PROGRAMS][:1], OTHER_PROGRAMS))
def test_another_program_in_its_place_is_not_a_fix(name: str, grader: Grader) -> None:
    fix = unified_diff(BROKEN, OTHER_PROGRAMS[name], "net_0.py")
    assert grader.grade(case_of(Pair()), OTHER_PROGRAMS[name], "net.py").solved
    assert fix_works(grader, case_of(Pair()), _offering(fix)) is False
    (violation,) = check_fix(grader, case_of(Pair()), fix).violations
    assert violation.law == "same-program"


def test_the_check_names_the_violated_law(grader: Grader) -> None:
    result = check_fix(grader, _case(), WRONG["detached"])
    assert "every-parameter-learns" in {violation.law for violation in result.violations}
    with pytest.raises(PatchError, match="are not in the program"):
        check_fix(grader, _case(), WRONG["a diff of something else"])
