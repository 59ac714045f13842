"""The cases that a diagnosis names: those of a finding's kind, else those like the exception."""

from __future__ import annotations

from broken_convnets.commands.diagnose.diagnosis import Diagnosis
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.similar import add_similar_cases
from broken_convnets.observe.failure import Failure

FAILURE = Failure(
    "RuntimeError", "running_mean should contain 8 elements not 16", "", layer_type=""
)


def test_the_kind_of_a_finding_chooses_its_cases() -> None:
    finding = Finding(kind="training/missing_zero_grad", message="message", evidence="evidence")
    diagnosis = Diagnosis([finding], failure=FAILURE)
    add_similar_cases(diagnosis)
    assert diagnosis.findings[0].cases[0].startswith("training/")
    assert diagnosis.similar == []


def test_cases_that_a_rule_names_are_kept() -> None:
    finding = Finding(
        kind="training/missing_zero_grad", message="message", evidence="evidence", cases=("x/y",)
    )
    diagnosis = Diagnosis([finding])
    add_similar_cases(diagnosis)
    assert diagnosis.findings[0].cases == ("x/y",)


def test_without_a_finding_the_exception_chooses_them() -> None:
    diagnosis = Diagnosis([], failure=FAILURE)
    add_similar_cases(diagnosis)
    assert diagnosis.similar[0].id == "shape/batchnorm_channel_mismatch"


def test_an_exception_unlike_any_case_has_none() -> None:
    diagnosis = Diagnosis([], failure=Failure("BrokenPipeError", "[Errno 32] Broken pipe", ""))
    add_similar_cases(diagnosis)
    assert diagnosis.similar == []
