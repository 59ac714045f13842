"""`explain` answers words with the symptom that they describe, and a question with its page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets import cli
from broken_convnets.commands.explain.symptoms import answer
from broken_convnets.commands.explain.symptoms.cases import cases_with, ranked
from broken_convnets.commands.explain.symptoms.documents import (
    Document,
    document_for,
    questions,
)
from broken_convnets.commands.explain.symptoms.interviews import interview_of, words
from broken_convnets.commands.explain.symptoms.lookup import SymptomAnswer, look_up
from broken_convnets.commands.explain.symptoms.matching import symptoms_in
from broken_convnets.commands.explain.symptoms.phrases import pattern_of, phrases, split
from broken_convnets.corpus.entries import Case, default_root, load
from broken_convnets.corpus.symptoms import Symptom
from broken_convnets.vocabulary import Stage
from kit import Pair, corpus_of

from experiments.measure_symptoms import REPORTS, measure, read_reports

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.corpus.spec import CaseSpec

ROOT = default_root()
NONE = "Why does the input tensor become None inside the ConvNet?"

# People's words for each symptom; the reports in tests/data/symptoms.jsonl have many more.
WORDS = {
    "my loss does not go down": Symptom.LOSS_DOES_NOT_FALL,
    "My loss doesn\u2019t decrease": Symptom.LOSS_DOES_NOT_FALL,
    "loss is nan": Symptom.LOSS_IS_NAN,
    "I get a negative loss": Symptom.LOSS_IS_NEGATIVE,
    "the loss oscillates": Symptom.LOSS_OSCILLATES,
    "accuracy is stuck at 10%": Symptom.ACCURACY_AT_CHANCE,
    "the weights are not updated": Symptom.WEIGHTS_DO_NOT_UPDATE,
    "GPU memory grows with every batch": Symptom.MEMORY_GROWS,
    "training gets slower with each epoch": Symptom.SLOW,
    "good training accuracy but bad validation accuracy": Symptom.WORSE_IN_VALIDATION,
    "the pretrained network has a low accuracy": Symptom.WORSE_THAN_EXPECTED,
    "my accuracy is above 100 %": Symptom.METRIC_IS_WRONG,
    "it always predicts the same class": Symptom.SAME_PREDICTION,
    "model.eval() makes the results worse": Symptom.DIFFERS_IN_EVAL_MODE,
    "the same image returns a different output each time": Symptom.DIFFERS_FROM_RUN_TO_RUN,
    "predictions depend on the batch size: different batch size, different output": (
        Symptom.DEPENDS_ON_BATCH
    ),
    "accuracy drops after loading the checkpoint": Symptom.DIFFERS_AFTER_LOADING,
    "the mask does not match the image after augmentation": Symptom.SAMPLES_LOOK_WRONG,
    "the output has the wrong shape: 1000 classes": Symptom.OUTPUT_HAS_WRONG_SHAPE,
    "the exported ONNX model returns different outputs": Symptom.FAILS_ELSEWHERE,
}

FOREIGN = [
    "My weight loss does not go down any more although I keep my diet",
    "Our company's loss has not decreased this quarter, sales stay flat",
    "We have packet loss that oscillates between 5 and 20 percent on our router",
    "Java heap memory grows with every request until the server crashes",
    "Chrome uses more and more memory, is there a leak?",
    "Why is my laptop so slow after the update?",
    "My MySQL query gets slower each time I run it",
    "My marathon training does not improve my time",
    "The same Excel formula returns a different result each time I open the spreadsheet",
    "My printer prints black pages only",
    "Stock prices fluctuate, my losses are increasing",
    "After loading the page in React the state is different",
    "The train is always late and slow",
    "Kubernetes pod memory grows until it is OOM killed",
    "The patient does not improve with the new treatment",
    "What is the best pizza in town?",
    "results differ each time",
    "The mean is changed when I add a row to the table",
    "hello",
    "",
]


def _found(text: str, root: Path = ROOT) -> SymptomAnswer | Document | None:
    return look_up(text, root, [])


@pytest.mark.parametrize("text", WORDS)
def test_words_lead_to_the_symptom(text: str) -> None:
    assert symptoms_in(text)[0].symptom is WORDS[text]


def test_each_symptom_is_found_by_some_words() -> None:
    assert set(WORDS.values()) == set(Symptom)


@pytest.mark.parametrize("text", FOREIGN)
def test_a_text_about_something_else_is_not_answered(text: str) -> None:
    assert _found(text) is None


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    return read_reports(REPORTS)


@pytest.fixture(scope="module")
def cases() -> dict[str, CaseSpec]:
    entries = load(ROOT).entries.values()
    return {entry.id: entry.spec for entry in entries if isinstance(entry, Case)}


def test_the_reports_are_real_and_not_repeated(
    reports: list[dict[str, Any]], cases: dict[str, CaseSpec]
) -> None:
    urls = [str(report["url"]) for report in reports]
    assert len(set(urls)) == len(urls) > 60
    assert all(re.fullmatch(r"https://[\w.-]+/\S+", url) for url in urls)
    for report in reports:
        assert report["symptoms"], report
        assert set(report["symptoms"]) <= set(Symptom), report
        assert set(report.get("cases", [])) <= set(cases), report


@pytest.mark.parametrize("half", ["tuning", "held_out"])
def test_real_reports_find_their_symptom_and_their_case(
    half: str, reports: list[dict[str, Any]]
) -> None:
    rates = measure([report for report in reports if report["half"] == half])
    assert rates.symptom >= 0.8 * rates.reports
    assert rates.among_few >= 0.6 * rates.with_cause


def test_a_wrong_answer_counts_as_wrong() -> None:
    report = {"text": "loss is nan", "symptoms": ["slow"], "cases": ["memory/loss_sum_keeps_graph"]}
    rates = measure([report, {**report, "text": "hello"}])
    assert (rates.reports, rates.symptom, rates.with_cause) == (2, 0, 2)
    assert (rates.first, rates.among_few) == (0, 0)


# The interviews.


def test_every_phrase_is_a_valid_expression() -> None:
    known = words()
    for phrase in phrases():
        assert pattern_of(phrase.text, known).search("") is None, phrase


def test_every_word_in_capitals_is_used() -> None:
    used = " ".join(phrase.text for phrase in phrases())
    assert {word for word in words() if not re.search(rf"\b{word}\b", used)} == set()


def test_an_unknown_word_in_capitals_is_an_error() -> None:
    with pytest.raises(KeyError, match="PURPLE"):
        pattern_of("PURPLE loss", words())


def test_a_phrase_is_split_outside_of_brackets() -> None:
    assert split("LOSS (?:a b|c) [ d]e NOT") == ["LOSS", "(?:a b|c)", "[ d]e", "NOT"]


def test_a_phrase_does_not_span_sentences() -> None:
    pattern = pattern_of("LOSS NOT FALL", words())
    assert pattern.search("the loss does not fall")
    assert not pattern.search("the loss is fine. the accuracy does not fall")


@pytest.mark.parametrize("symptom", Symptom)
def test_the_questions_of_an_interview_end_at_cases_with_the_symptom(
    symptom: Symptom, cases: dict[str, CaseSpec]
) -> None:
    interview = interview_of(symptom)
    known = {name for name, spec in cases.items() if symptom in spec.symptoms}
    names = [question.name for question in interview.questions]
    assert len(set(names)) == len(names)
    for question in interview.questions:
        assert question.ask.endswith("?")
        assert len(question.answers) > 1
        for one in question.answers:
            targets = [bool(one.next), bool(one.cases), one.symptom is not None]
            assert targets.count(True) == 1, one
            assert not one.next or one.next in names, one
            assert one.symptom is not symptom, one
            assert set(one.cases) <= known, one


@pytest.mark.parametrize("symptom", Symptom)
def test_every_question_is_reached_from_the_first(symptom: Symptom) -> None:
    by_name = {question.name: question for question in interview_of(symptom).questions}
    reached: set[str] = set()
    new = {next(iter(by_name))}
    while new:
        reached |= new
        new = {one.next for name in new for one in by_name[name].answers if one.next} - reached
    assert reached == set(by_name)


def test_every_silent_case_is_reached_by_the_questions_of_a_symptom(
    cases: dict[str, CaseSpec],
) -> None:
    silent = {name for name, spec in cases.items() if spec.broken.stage is Stage.SILENT}
    named = {name for symptom in Symptom for name in interview_of(symptom).cases}
    assert all(cases[name].symptoms for name in silent)  # the page of a symptom lists all its cases
    assert len(silent & named) >= 0.9 * len(silent)  # a new case needs no question of its own


# The answers.


def test_the_cases_that_share_words_with_the_text_come_first() -> None:
    known = cases_with(ROOT, Symptom.LOSS_IS_NAN)
    assert ranked("the CTC loss is inf", known, [])[0] == "loss/ctc_infinite"
    assert ranked("a learning rate too high", known, [])[0] == "training/learning_rate_too_high"


def test_without_common_words_the_most_reported_case_comes_first() -> None:
    known = cases_with(ROOT, Symptom.LOSS_IS_NAN)
    order = ["training/nan_log_of_zero", "loss/ctc_infinite"]
    assert ranked("zzz", known, order)[:2] == order


def _shown(text: str, top: int = 3, width: int = 100) -> str:
    found = _found(text)
    assert found is not None
    return "".join(piece for piece, _ in answer.pieces(found, top, width))


def test_the_answer_has_the_symptom_the_questions_and_the_cases() -> None:
    text = _shown("my loss does not go down")
    assert text.startswith("Symptom: The loss does not go down")
    assert "broken-convnets diagnose your_program.py" in text
    assert "1. Train on one fixed batch." in text
    assert ": question 2" in text
    assert text.count("broken-convnets show ") == 3
    assert text.endswith("broken-convnets list --symptom loss_does_not_fall\n")


def test_an_answer_may_lead_to_another_symptom() -> None:
    assert 'explain "The accuracy stays at chance"' in _shown("my loss does not go down")
    assert symptoms_in("The accuracy stays at chance")[0].symptom is Symptom.ACCURACY_AT_CHANCE


@pytest.mark.parametrize("width", [40, 80])
def test_prose_fits_the_width(width: int) -> None:
    rows = _shown("my loss does not go down", width=width).splitlines()
    assert max(len(row) for row in rows if "/" not in row and "broken-convnets" not in row) <= width


def test_top_limits_the_cases() -> None:
    assert _shown("my loss is nan", top=1).count("broken-convnets show ") == 1


def test_explain_prints_the_symptom(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "my loss does not go down"]) == 0
    assert capsys.readouterr().out.startswith("Symptom: The loss does not go down")


def test_json_has_the_symptom_beside_the_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "--json", "my loss is nan"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["matches"] == []
    assert found["other"]["symptom"] == "loss_is_nan"
    assert found["other"]["questions"][0]["answers"][0]["next"]
    assert {"id", "title", "distinguish"} == set(found["other"]["cases"][0])


def test_an_exception_is_not_read_as_a_symptom(capsys: pytest.CaptureFixture[str]) -> None:
    text = "My loss does not go down.\nValueError: Input X contains NaN."
    assert cli.main(["explain", text]) == 1
    assert "No similar case found." in capsys.readouterr().out


def test_a_symptom_without_a_case_is_not_answered(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, {"shape/pair": Pair()})
    assert _found("my loss is nan", corpus.root) is None


def test_an_invalid_case_does_not_disturb(tmp_path: Path) -> None:
    leak = Pair(silent=("memory-flat",), extra={"symptoms": ["memory_grows"]})
    corpus = corpus_of(tmp_path, {"loss/leak": leak, "loss/bad": leak})
    (tmp_path / "cases/loss/bad.toml").write_text("colour = 1")
    found = _found("GPU memory grows", corpus.root)
    assert isinstance(found, SymptomAnswer)
    assert [case.id for case in found.cases] == ["loss/leak"]


# The question about None.


@pytest.mark.parametrize(
    "text",
    [
        NONE,
        NONE.lower().rstrip("?"),
        "my tensor is None inside the network, why?",
        "Where does the input turn into None in forward?",
        "why does Keras show None in the shape of the model summary",
    ],
)
def test_the_question_about_none_leads_to_its_page(text: str) -> None:
    found = _found(text)
    assert isinstance(found, Document)
    assert found.name == "why-none"
    assert found.path == str(ROOT / "docs/why-none.md")


def test_the_page_is_shown_up_to_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", NONE]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("Why does the input become None inside the ConvNet?")
    for part in (
        "broken-convnets trace PROGRAM",
        "broken-convnets diagnose PROGRAM",
        "True: a `forward` with a conditional `return`",
        "never a ValueError",
        "keeps dimension 0",
        "(None, 26, 26, 8)",
        "More: ",
    ):
        assert part in text
    assert "|" not in text
    assert "](" not in text
    assert "##" not in text


@pytest.mark.parametrize("text", ["None of my networks learn", "there is none", "why not none"])
def test_other_sentences_with_none_are_not_that_question(text: str) -> None:
    assert document_for(text, ROOT) is None


def test_without_the_page_the_question_is_not_answered(tmp_path: Path) -> None:
    assert document_for(NONE, corpus_of(tmp_path, {"shape/pair": Pair()}).root) is None


def test_the_questions_of_pages_are_valid() -> None:
    known = questions()
    for page in known.pages:
        assert (ROOT / "docs" / f"{page.name}.md").is_file()
        for phrase in page.phrases:
            assert pattern_of(phrase, known.words).search("") is None
