"""Symptoms are declared by every silent case, held to its laws, and listed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from broken_convnets import cli
from broken_convnets.corpus.entries import Case, default_root
from broken_convnets.corpus.symptom_rules import check_symptoms, contradicts
from broken_convnets.corpus.symptoms import NEEDS, SHOWN_BY, Symptom
from broken_convnets.vocabulary import Law, Stage
from kit import Pair, case_of, corpus_of, our_corpus

if TYPE_CHECKING:
    from pathlib import Path


def _problems(laws: tuple[str, ...], symptoms: list[str]) -> list[str]:
    return check_symptoms(case_of(Pair(silent=laws, extra={"symptoms": symptoms})).spec)


SICK = {
    "none": (("nonlinear",), [], "key `symptoms` is missing: say what people observe"),
    "unfounded": (("nonlinear",), ["memory_grows"], "memory_grows needs a case that violates"),
    "omitted": (("memory-flat",), ["slow"], "violates memory-flat shows memory_grows: add it"),
}


@pytest.mark.parametrize("name", SICK)
def test_symptoms_that_contradict_the_laws_are_rejected(name: str) -> None:
    laws, symptoms, says = SICK[name]
    (problem,) = _problems(laws, symptoms)
    assert says in problem


@pytest.mark.parametrize(
    ("laws", "symptoms"),
    [
        (("nonlinear",), ["worse_than_expected"]),
        (("memory-flat",), ["memory_grows", "slow"]),
        (("inputs-as-declared",), ["samples_look_wrong"]),
        (("inputs-as-declared",), ["worse_than_expected"]),
    ],
)
def test_symptoms_that_fit_the_laws_are_accepted(
    laws: tuple[str, ...], symptoms: list[str]
) -> None:
    assert _problems(laws, symptoms) == []


def test_a_loud_case_needs_no_symptoms_and_may_declare_any() -> None:
    assert check_symptoms(case_of(Pair()).spec) == []
    assert check_symptoms(case_of(Pair(extra={"symptoms": ["memory_grows"]})).spec) == []


def test_a_law_never_demands_a_symptom_that_the_law_does_not_allow() -> None:
    for law, symptoms in SHOWN_BY.items():
        assert any(symptom not in NEEDS or law in NEEDS[symptom] for symptom in symptoms), law


@pytest.mark.parametrize("output", ["float32[] non-finite", "(float32[2], float32[] non-finite)"])
def test_a_non_finite_output_must_be_declared(output: str) -> None:
    assert f"the run returns {output}" in contradicts([Symptom.SLOW], output)
    assert contradicts([Symptom.LOSS_IS_NAN], output) == ""


@pytest.mark.parametrize("output", ["float32[4, 5]", None])
def test_a_finite_output_contradicts_nothing(output: str | None) -> None:
    assert contradicts([Symptom.LOSS_IS_NAN], output) == ""
    assert contradicts([], output) == ""


def test_each_symptom_has_a_silent_case() -> None:
    cases = [entry for entry in our_corpus().entries.values() if isinstance(entry, Case)]
    silent = [case for case in cases if case.spec.broken.stage is Stage.SILENT]
    assert {symptom for case in silent for symptom in case.spec.symptoms} == set(Symptom)


def test_the_case_format_describes_each_symptom() -> None:
    text = (default_root() / "docs/case-format.md").read_text(encoding="utf-8")
    for symptom in Symptom:
        assert f"| `{symptom}` | {symptom.description} |" in text


LEAK = Pair(silent=("memory-flat",), extra={"symptoms": ["memory_grows", "slow"]})
FLAT = Pair(silent=("nonlinear",), extra={"symptoms": ["worse_than_expected"]})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return corpus_of(tmp_path, {"loss/leak": LEAK, "loss/flat": FLAT, "shape/loud": Pair()}).root


def test_list_shows_the_cases_with_a_symptom(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", "--corpus", str(root), "--symptom", "memory_grows"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "symptoms", "title"]
    assert rows[0].split()[:2] == ["loss/leak", "memory_grows"]
    assert "slow" in rows[1]
    assert not any("flat" in row or "loud" in row for row in rows)


def test_list_without_a_name_shows_every_case_with_a_symptom(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", "--corpus", str(root), "--json", "--symptom"]) == 0
    found = {item["id"]: item["symptoms"] for item in json.loads(capsys.readouterr().out)}
    assert found == {
        "loss/flat": ["worse_than_expected"],
        "loss/leak": ["memory_grows", "slow"],
    }


@pytest.mark.parametrize("name", ["Memory grows", "memory-grows", "MEMORY_GROWS"])
def test_a_symptom_may_be_spelled_as_words(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", "--corpus", str(root), "--symptom", name]) == 0
    assert "loss/leak" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("memory_grow", "did you mean memory_grows?"),
        ("nan", "did you mean loss_is_nan?"),
        ("purple", f"one of: {', '.join(Symptom)}"),
    ],
)
def test_a_mistyped_symptom_is_refused_with_similar_names(
    name: str, says: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", "--corpus", str(root), "--symptom", name]) == 2
    assert says in capsys.readouterr().err


def test_an_unknown_symptom_in_a_case_is_refused_with_the_names(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, {"loss/leak": Pair(extra={"symptoms": ["purple"]})})
    (problem,) = corpus.problems
    assert "key `symptoms" in problem.message
    assert f"one of: {', '.join(Symptom)}" in problem.message


def test_laws_are_offered_for_a_law_and_not_symptoms(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, {"loss/leak": Pair(waive={"gravity": "light"})})
    (problem,) = corpus.problems
    assert f"one of: {', '.join(Law)}" in problem.message
