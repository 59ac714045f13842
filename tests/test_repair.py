"""A fix that a tool offers is judged as a learner's: right fixes pass, silencing does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.learn.grader import Examiner
from broken_convnets.commands.score.programs.patch import PatchError, unified_diff
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Status
from broken_convnets.commands.score.fix_judge import fix_works, judge_fix
from broken_convnets.corpus.entries import Case, default_root, load
from kit import BROKEN, HEALTHY, Pair, case_of, patched

if TYPE_CHECKING:
    from kit import Remembering

CORPUS = load(default_root())
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


SICK = {
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
RIGHT = {
    "our own fix": unified_diff(_case().broken, _case().fixed, "net_0.py"),
    "another right fix": _patch(
        (ATTENTION, "        return x.mul(weights.unflatten(1, (-1, 1, 1)))\n")
    ),
}


@pytest.fixture(scope="module")
def grader(runner: Remembering) -> Grader:
    return Grader(runner)


def _offering(*fixes: str | None) -> Diagnosis:
    return Diagnosis(Status.FLAGGED, [Finding("wrong", fix=fix) for fix in fixes])


@pytest.mark.parametrize("name", SICK)
def test_a_fix_that_only_silences_is_none(name: str, examiner: Examiner) -> None:
    assert fix_works(examiner, _case(), _offering(SICK[name])) is False


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_fix_passes(name: str, examiner: Examiner) -> None:
    assert fix_works(examiner, _case(), _offering(RIGHT[name])) is True


def test_the_first_fix_counts(grader: Grader) -> None:
    right, sick = RIGHT["our own fix"], SICK["zeros"]
    assert fix_works(examiner, _case(), _offering(None, right, sick)) is True
    assert fix_works(examiner, _case(), _offering(None, sick, right)) is False


def test_no_fix_is_neither_right_nor_wrong(examiner: Examiner) -> None:
    assert fix_works(examiner, _case(), _offering(None, "")) is None
    assert fix_works(examiner, _case(), Diagnosis(Status.CLEAN)) is None


def test_a_case_of_other_releases_is_not_judged(grader: Grader) -> None:
    case = case_of(Pair(extra={"torch": "<1"}))
    assert fix_works(examiner, case, _offering(unified_diff(BROKEN, HEALTHY, "net_0.py"))) is None


def test_a_variant_is_compared_with_its_own_fix(grader: Grader) -> None:
    """The layers of a variant have other names, its id is that of the case."""
    renamed = {text: text.replace("conv", "first") for text in (BROKEN, HEALTHY)}
    plain, variant = case_of(Pair()), case_of(Pair(renamed[BROKEN], renamed[HEALTHY]))
    for case in (plain, variant):
        fix = unified_diff(case.broken, case.fixed, "net_0.py")
        assert fix_works(examiner, case, _offering(fix)) is True
    assert variant.id == plain.id


def test_the_judge_says_why(examiner: Examiner) -> None:
    result = judge_fix(examiner, _case(), SICK["detached"])
    assert "every-parameter-learns" in {breach.law for breach in result.breaches}
    with pytest.raises(PatchError, match="fits nowhere"):
        judge_fix(examiner, _case(), SICK["a diff of something else"])
