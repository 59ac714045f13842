"""Every kind of real report has a case or a reason, and the page that says so is current."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.coverage.coverage import PAGE, read, write_or_compare
from broken_convnets.corpus import entries as corpora
from broken_convnets.corpus.lint import lint
from broken_convnets.errors import CorpusError
from kit import Pair, corpus_of

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
        ([KIND, "shape/other"], "", "shape/other: no case covers it"),
        ([KIND], f'"{KIND}" = "too hard"', f"{KIND}: covered by shape/pair: remove it"),
        ([KIND], '"shape/gone" = "?"', "shape/gone: no report is of this kind"),
    ],
)
def test_what_does_not_fit_is_said(
    kinds: list[str], uncovered: str, says: str | None, tmp_path: Path
) -> None:
    _evidence(tmp_path, kinds, uncovered)
    problems = read(corpus_of(tmp_path, {"shape/pair": Pair()})).problems()
    assert [problem.startswith(says or "") for problem in problems] == ([True] if says else [])


def test_the_page_is_written_and_then_current(tmp_path: Path) -> None:
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


def test_this_corpus_covers_what_it_says() -> None:
    assert write_or_compare(corpora.load(corpora.default_root()), write=False) == []


def test_a_case_that_repeats_another_is_refused(tmp_path: Path) -> None:
    found = corpus_of(tmp_path, {"shape/one": Pair(), "shape/two": Pair()})
    assert [problem.message for problem in lint(found)] == [
        "repeats shape/one: delete one, or say in `differs` what it adds"
    ]
