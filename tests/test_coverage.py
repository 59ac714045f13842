"""Every kind of real report has a case or a reason, and the page that says so is current."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.coverage.coverage import PAGE, read, write_or_compare
from broken_convnets.corpus import entries as corpora
from broken_convnets.corpus.kinds import UNCOVERED, kinds, topics
from broken_convnets.corpus.lint import lint
from broken_convnets.errors import CorpusError
from kit import Pair, Solo, corpus_of

if TYPE_CHECKING:
    from pathlib import Path

KIND = Pair().spec()["covers"][0]


def _evidence(root: Path, kinds: list[str], uncovered: str = "") -> None:
    (root / "evidence").mkdir()
    (root / "docs").mkdir()
    rows = [
        {"id": f"R{number}", "kind": kind, "symptom": "crash", "url": "https://example.org"}
        for number, kind in enumerate(kinds)
    ]
    (root / "evidence/reports.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "evidence/uncovered.toml").write_text(uncovered)


@pytest.mark.parametrize(
    ("kinds", "uncovered", "says"),
    [
        ([KIND], "", None),
        ([KIND, "shape/other"], '"shape/other" = "needs two machines"', None),
        ([], "", f"{KIND}: no report is of this kind"),
        ([KIND, "shape/other"], "", "shape/other: no case or guide covers it"),
        ([KIND], f'"{KIND}" = "too hard"', f"{KIND}: covered by shape/pair: remove it"),
        ([KIND], '"shape/gone" = "?"', "shape/gone: no report is of this kind"),
    ],
)
def test_an_inconsistency_is_reported(
    kinds: list[str], uncovered: str, says: str | None, tmp_path: Path
) -> None:
    _evidence(tmp_path, kinds, uncovered)
    problems = read(corpus_of(tmp_path, {"shape/pair": Pair()})).problems()
    assert [problem.startswith(says or "") for problem in problems] == ([True] if says else [])


def test_the_page_is_written_and_is_then_current(tmp_path: Path) -> None:
    _evidence(tmp_path, [KIND])
    found = corpus_of(tmp_path, {"shape/pair": Pair()})
    assert write_or_compare(found, write=False) == [
        f"{PAGE} is not current: run `broken-convnets coverage --write`"
    ]
    assert write_or_compare(found, write=True) == []
    assert write_or_compare(found, write=False) == []
    assert f"| {KIND} | 1 | shape/pair |" in (tmp_path / PAGE).read_text()


@pytest.mark.parametrize("line", ["{", '{"id": "R1"}', '{"id": 1, "kind": "a/b"}'])
def test_damaged_evidence_is_refused(line: str, tmp_path: Path) -> None:
    _evidence(tmp_path, [KIND])
    (tmp_path / "evidence/reports.jsonl").write_text(line)
    with pytest.raises(CorpusError, match="cannot be read"):
        read(corpus_of(tmp_path, {"shape/pair": Pair()}))


def test_the_coverage_page_of_this_corpus_is_current() -> None:
    assert write_or_compare(corpora.load(corpora.default_root()), write=False) == []


def test_a_case_that_repeats_another_is_reported(tmp_path: Path) -> None:
    found = corpus_of(tmp_path, {"shape/one": Pair(), "shape/two": Pair()})
    assert [problem.message for problem in lint(found)] == [
        "repeats shape/one: delete one, or say in `differs` what it adds"
    ]


def test_a_kind_of_no_topic_is_reported_with_its_file(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, {"shape/pair": Pair(extra={"covers": ["network/flatten"]})})
    (problem,) = lint(corpus)
    assert str(problem) == (
        "cases/shape/pair.toml: kind 'network/flatten' is in no topic of the corpus: "
        "begin it with one of shape/"
    )
    _evidence(tmp_path, ["network/flatten"], '"numbers/other" = "why"')
    problems = write_or_compare(corpus, write=True)
    assert any(problem.startswith(f"{UNCOVERED}: kind 'numbers/other'") for problem in problems)


def test_the_vocabulary_has_covered_and_uncovered_kinds(tmp_path: Path) -> None:
    _evidence(tmp_path, [KIND], '"shape/other" = "needs two machines"')
    corpus = corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    assert kinds(corpus) == {KIND, "shape/other"}
    assert topics(corpus) == {"shape", "dtype"}
    (tmp_path / UNCOVERED).write_text("shape/other =")
    with pytest.raises(CorpusError, match=r"uncovered\.toml: .*correct the syntax"):
        kinds(corpus)


def test_this_corpus_has_a_kind_for_every_report() -> None:
    corpus = corpora.load(corpora.default_root())
    lines = (corpora.default_root() / "evidence/reports.jsonl").read_text().splitlines()
    assert {json.loads(line)["kind"] for line in lines} == kinds(corpus)
    assert {kind.partition("/")[0] for kind in kinds(corpus)} <= topics(corpus)
