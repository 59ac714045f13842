"""The verdict is a pure function: hand-made facts in, exactly one judgement out."""

from __future__ import annotations

from typing import Any

import pytest
from broken_convnets.observe.facts import (
    CheckResult,
    ExceptionInfo,
    InputSummary,
    Layer,
    Observation,
    Run,
)
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.verdicts.judge import Runs, judge
from broken_convnets.vocabulary import JUDGED, Law, Stage, Verdict
from kit import DECLARED, OUTPUT, RAISES, SAYS, Pair, Solo, case_of, control_of

FAILS = ExceptionInfo(Stage.FORWARD, "RuntimeError", f"shapes {SAYS} (16x4)", RAISES, "fc")
RELEASE = "2.14.1"
LAWS = {law.name.lower(): law for law in Law}
HELD: dict[Law, CheckResult] = {
    **dict.fromkeys(JUDGED, CheckResult(holds=None)),
    Law.NONLINEAR: CheckResult(holds=True),
    Law.EXPORTS: CheckResult(holds=None),
}


def _end(**facts: Any) -> Run:
    if "raised" not in facts:
        facts.setdefault("laws", HELD)
    return Run(0, JobStatus.DONE, answer=Observation(**facts))


def _raises(**changes: Any) -> Run:
    facts = {name: getattr(FAILS, name) for name in FAILS.__struct_fields__}
    return _end(raised=ExceptionInfo(**{**facts, **changes}))


def _works(output: str = OUTPUT, **broken: str) -> Run:
    laws = {LAWS[name]: CheckResult(holds=False, note=note) for name, note in broken.items()}
    return _end(output=output, laws={**HELD, **laws})


LATE = Run(0, JobStatus.TIMEOUT, "still running after 10 s")
DEAD = Run(0, JobStatus.CRASHED, "the process ended without a result (exit status 0)")
ABSENT = _raises(stage=Stage.IMPORT, type="ModuleNotFoundError", message="No module named 'x'")


def _verdict(pair: Pair, broken: Run, fixed: Run, device: str = "cpu") -> Verdict:
    runs: Runs = {"broken": [broken] * 3, "fixed": [fixed] * 3}
    return judge(case_of(pair), runs, device, RELEASE).verdict


@pytest.mark.parametrize(
    ("broken", "fixed", "verdict"),
    [
        (_raises(), _works(), Verdict.REPRODUCED),
        (_raises(expression=" ".join(RAISES.split())), _works(), Verdict.REPRODUCED),
        (_raises(type="ValueError"), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(message="no"), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(message=SAYS.upper()), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(expression="self.conv(x)"), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(expression=f"{RAISES} + 1"), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(expression=""), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(layer="conv"), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(layer=""), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(stage=Stage.BUILD), _works(), Verdict.WRONG_SYMPTOM),
        (_works(), _works(), Verdict.NOT_REPRODUCED),
        (_works(nonlinear="no"), _works(), Verdict.NOT_REPRODUCED),
        (_raises(), _raises(), Verdict.FIX_FAILED),
        (_raises(), _works(nonlinear="no"), Verdict.FIX_FAILED),
        (_raises(), _works("None"), Verdict.FIX_FAILED),
        (_raises(), _works(f"{OUTPUT} non-finite"), Verdict.FIX_FAILED),
        (_raises(), _end(), Verdict.FIX_FAILED),
        (LATE, _works(), Verdict.TIMEOUT),
        (_raises(), LATE, Verdict.TIMEOUT),
        (DEAD, _works(), Verdict.CRASHED),
        (_raises(), DEAD, Verdict.CRASHED),
        (ABSENT, _works(), Verdict.UNSUPPORTED),
        (_raises(), ABSENT, Verdict.UNSUPPORTED),
        (_raises(type="ImportError"), _works(), Verdict.WRONG_SYMPTOM),
        (_raises(type="SystemExit"), DEAD, Verdict.WRONG_SYMPTOM),
    ],
)
def test_a_loud_pair(broken: Run, fixed: Run, verdict: Verdict) -> None:
    assert _verdict(Pair(), broken, fixed) is verdict


@pytest.mark.parametrize(
    ("broken", "verdict"),
    [
        (_works(nonlinear="no"), Verdict.REPRODUCED),
        (_works(), Verdict.NOT_REPRODUCED),
        (_works(exports="no"), Verdict.WRONG_SYMPTOM),
        (_works(nonlinear="no", exports="no"), Verdict.WRONG_SYMPTOM),
        (_works("None", nonlinear="no"), Verdict.WRONG_SYMPTOM),
        (_raises(), Verdict.WRONG_SYMPTOM),
        (LATE, Verdict.TIMEOUT),
        (ABSENT, Verdict.UNSUPPORTED),
    ],
)
def test_a_silent_pair(broken: Run, verdict: Verdict) -> None:
    assert _verdict(Pair(silent=("nonlinear",)), broken, _works()) is verdict


@pytest.mark.parametrize(
    ("waive", "fixed", "verdict"),
    [
        ({"nonlinear": "so"}, _works(nonlinear="no"), Verdict.REPRODUCED),
        ({"nonlinear": "so"}, _works(), Verdict.FIX_FAILED),
        ({"exports": "so"}, _works(), Verdict.FIX_FAILED),
        ({"exports": "so"}, _works(nonlinear="no"), Verdict.FIX_FAILED),
        ({"output-as-declared": "so"}, _works("None"), Verdict.REPRODUCED),
    ],
)
def test_a_waiver_needs_a_violated_law(waive: dict[str, str], fixed: Run, verdict: Verdict) -> None:
    assert _verdict(Pair(waive=waive), _raises(), fixed) is verdict


@pytest.mark.parametrize(
    "changed",
    [
        _raises(type="ValueError"),
        _raises(message="x"),
        _raises(expression="x"),
        _raises(layer="x"),
        _raises(stage=Stage.RUN),
        _end(raised=FAILS, layers=[Layer("fc", "Linear", "int64[1]")]),
        _works(),
        LATE,
        DEAD,
        ABSENT,
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("side", ["broken", "fixed"])
def test_one_run_that_differs_makes_a_pair_flaky(changed: Run, place: int, side: str) -> None:
    runs: Runs = {"broken": [_raises()] * 3, "fixed": [_works(nonlinear="no")] * 3}
    runs[side][place] = changed
    judgement = judge(case_of(Pair()), runs, "cpu", RELEASE)
    assert judgement.verdict is Verdict.FLAKY
    assert judgement.mismatches[0].what == f"the {side} side in every run"


def test_facts_that_may_differ_between_runs_are_not_flaky() -> None:
    notes = [
        _end(
            output=OUTPUT,
            laws={**HELD, Law.NONLINEAR: CheckResult(holds=False, note=n)},
            forward_ns=ns,
        )
        for n, ns in (("a", 1.0), ("b", 2.0), ("c", None))
    ]
    pair = Pair(waive={"nonlinear": "so"})
    runs: Runs = {"broken": [_raises()] * 3, "fixed": notes}
    assert judge(case_of(pair), runs, "cpu", RELEASE).verdict is Verdict.REPRODUCED


CUDA = {"cuda": {"raises": "AcceleratorError", "message": "device-side assert", "stage": "run"}}
ON_CUDA = _raises(type="AcceleratorError", message="a device-side assert", stage=Stage.RUN)


@pytest.mark.parametrize(
    ("device", "broken", "verdict"),
    [
        ("cpu", _raises(), Verdict.REPRODUCED),
        ("cuda", ON_CUDA, Verdict.REPRODUCED),
        ("cpu", ON_CUDA, Verdict.WRONG_SYMPTOM),
        ("cuda", _raises(), Verdict.WRONG_SYMPTOM),
    ],
)
def test_an_override_applies_on_its_device_alone(
    device: str, broken: Run, verdict: Verdict
) -> None:
    assert _verdict(Pair(declared=CUDA), broken, _works(), device) is verdict


def test_without_an_override_cuda_must_fail_like_the_cpu() -> None:
    assert _verdict(Pair(), _raises(), _works(), "cuda") is Verdict.REPRODUCED
    assert _verdict(Pair(), ON_CUDA, _works(), "cuda") is Verdict.WRONG_SYMPTOM


@pytest.mark.parametrize("pair", [Pair(), Pair(silent=("nonlinear",))], ids=["loud", "silent"])
def test_the_verdict_changes_if_the_sides_are_swapped_or_equal(pair: Pair) -> None:
    broken = _works(nonlinear="no") if pair.silent else _raises()
    assert _verdict(pair, broken, _works()) is Verdict.REPRODUCED
    assert _verdict(pair, _works(), broken) is Verdict.NOT_REPRODUCED
    assert _verdict(pair, _works(), _works()) is Verdict.NOT_REPRODUCED
    assert _verdict(pair, broken, broken) is Verdict.FIX_FAILED


def test_a_mismatch_has_the_declaration_and_what_happened() -> None:
    runs: Runs = {"broken": [_raises(layer="conv")] * 3, "fixed": [_works()] * 3}
    (wrong,) = judge(case_of(Pair()), runs, "cpu", RELEASE).mismatches
    assert (wrong.what, wrong.declared, wrong.happened) == ("layer", DECLARED["layer"], "conv")


def test_a_violated_law_is_named_with_its_description_and_what_was_seen() -> None:
    runs: Runs = {"broken": [_raises()] * 3, "fixed": [_works(nonlinear="f(a)")] * 3}
    (wrong,) = judge(case_of(Pair()), runs, "cpu", RELEASE).mismatches
    assert f"{wrong.what}" == "nonlinear"
    assert (wrong.declared, wrong.happened) == (Law.NONLINEAR.description, "f(a)")


def test_exactly_three_verdicts_are_as_declared() -> None:
    assert {verdict for verdict in Verdict if verdict.as_declared} == {
        Verdict.REPRODUCED,
        Verdict.NOT_HERE,
        Verdict.WORKS,
    }


OLD = {"torch": {"<2.13": {"message": "must match"}, "<2.6": {"fails": False}}}


@pytest.mark.parametrize(
    ("release", "broken", "verdict"),
    [
        ("2.14.1", _raises(), Verdict.REPRODUCED),
        ("2.13.0", _raises(), Verdict.REPRODUCED),
        ("2.9.1", _raises(), Verdict.WRONG_SYMPTOM),
        ("2.9.1", _raises(message="sizes must match"), Verdict.REPRODUCED),
        ("2.9.1", _works(), Verdict.NOT_REPRODUCED),
        ("2.5.1", _works(), Verdict.NOT_HERE),
        ("2.5.1", _raises(message="sizes must match"), Verdict.WRONG_SYMPTOM),
        ("2.5.1", DEAD, Verdict.CRASHED),
    ],
)
def test_a_release_is_judged_by_its_own_declaration(
    release: str, broken: Run, verdict: Verdict
) -> None:
    runs: Runs = {"broken": [broken] * 3, "fixed": [_works()] * 3}
    assert judge(case_of(Pair(declared=OLD)), runs, "cpu", release).verdict is verdict


def test_a_silent_case_that_does_not_fail_obeys_the_laws() -> None:
    pair = Pair(silent=("nonlinear",), declared={"torch": {"<2.6": {"fails": False}}})
    for broken, verdict in (
        (_works(), Verdict.NOT_HERE),
        (_works(nonlinear="affine"), Verdict.WRONG_SYMPTOM),
    ):
        runs: Runs = {"broken": [broken] * 3, "fixed": [_works()] * 3}
        assert judge(case_of(pair), runs, "cpu", "2.5.1").verdict is verdict


@pytest.mark.parametrize(
    ("release", "ending", "verdict"),
    [
        ("2.14.1", _works(), Verdict.WORKS),
        ("2.14.1", _raises(), Verdict.CONTROL_FAILED),
        ("2.9.1", _raises(), Verdict.NOT_HERE),
        ("2.9.1", _works(nonlinear="affine"), Verdict.NOT_HERE),
        ("2.9.1", _works(), Verdict.CONTROL_FAILED),
        ("2.9.1", LATE, Verdict.TIMEOUT),
        ("2.9.1", ABSENT, Verdict.UNSUPPORTED),
    ],
)
def test_a_control_works_under_the_releases_it_names_and_no_other(
    release: str, ending: Run, verdict: Verdict
) -> None:
    control = control_of(Solo(extra={"torch": ">=2.13"}))
    assert judge(control, {"fixed": [ending] * 3}, "cpu", release).verdict is verdict


@pytest.mark.parametrize(
    ("release", "broken", "fixed", "verdict"),
    [
        ("2.14.1", _raises(), _works(), Verdict.REPRODUCED),
        ("2.14.1", _raises(), _raises(), Verdict.FIX_FAILED),
        ("2.9.1", _raises(), _raises(), Verdict.NOT_HERE),
        ("2.9.1", _works(), _raises(), Verdict.NOT_HERE),
        ("2.9.1", _raises(), _works(), Verdict.FIX_FAILED),
        ("2.9.1", _raises(), DEAD, Verdict.CRASHED),
    ],
)
def test_a_fix_works_under_the_releases_that_its_case_names_and_no_other(
    release: str, broken: Run, fixed: Run, verdict: Verdict
) -> None:
    runs: Runs = {"broken": [broken] * 3, "fixed": [fixed] * 3}
    case = case_of(Pair(extra={"torch": ">=2.13"}))
    assert judge(case, runs, "cpu", release).verdict is verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.0, 1.0, Verdict.WORKS),
        (-1e-7, 1 + 1e-7, Verdict.WORKS),  # rounding of float32
        (-0.1, 1.0, Verdict.CONTROL_FAILED),
        (0.0, 1.1, Verdict.CONTROL_FAILED),
        (0.3, 0.7, Verdict.CONTROL_FAILED),  # spans less than half of the declared range
    ],
)
def test_the_inputs_must_lie_in_the_declared_range_and_span_half_of_it(
    low: float, high: float, verdict: Verdict
) -> None:
    control = control_of(Solo(extra={"works": {"output": OUTPUT, "range": [0.0, 1.0]}}))
    summary = InputSummary("float32[4, 2, 4, 4]", low, high, [0.5, 0.5], (10, 10))
    judgement = judge(control, {"fixed": [_end(output=OUTPUT, given=summary)]}, "cpu", RELEASE)
    assert judgement.verdict is verdict
    broken = [] if verdict is Verdict.WORKS else [Law.INPUTS_AS_DECLARED]
    assert [mismatch.what for mismatch in judgement.mismatches] == broken
