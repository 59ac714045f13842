"""Guides: errors without a program are checked, listed, shown and found like cases."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from broken_convnets.commands.coverage import coverage
from broken_convnets.commands.explain.matching import explain
from broken_convnets.commands.site.build import build
from broken_convnets.corpus import kinds
from broken_convnets.corpus.entries import default_root, load
from broken_convnets.corpus.guides import guide_of, guide_problems, load_guides
from broken_convnets.corpus.lint import lint
from broken_convnets.errors import CorpusError
from kit import Pair, corpus_of, our_corpus, put

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command

MESSAGE = "RuntimeError: the accelerator melted away at 95 degrees"
GUIDE: dict[str, Any] = {
    "title": "The accelerator melted",
    "unverified": "it needs an oven",
    "covers": ["shape/melted"],
    "sources": ["https://example.org/1"],
    "why": "It became too hot.",
    "steps": ["Open the window.", "Buy a fan."],
    "distinguish": "Is it liquid?",
    "messages": [{"message": MESSAGE}, {"message": "Warning: it is hot"}],
    "related": ["shape/pair"],
}
REPORT = {"id": "R1", "kind": "shape/melted", "symptom": "crash", "url": "https://example.org/1"}
TREE = "guides/shape/melted.toml"


def write(root: Path, guide: dict[str, Any], file: str = TREE) -> None:
    put(root / file, msgspec.toml.encode(guide).decode())


@pytest.fixture
def ours(harness: Command) -> Command:
    corpus_of(harness.root, {"shape/pair": Pair()})
    (harness.root / "results/messages.json").unlink(missing_ok=True)
    write(harness.root, GUIDE)
    return harness


@pytest.mark.parametrize("name", load_guides(default_root()).valid)
def test_every_message_of_a_guide_finds_it(name: str) -> None:
    guide = load_guides(default_root()).valid[name]
    for other in guide.spec.messages:
        found = explain(other.message)
        best = [match.id for match in found if match.score == found[0].score]
        assert name in best, other.message


def test_the_guides_of_the_corpus_are_valid() -> None:
    guides = load_guides(default_root())
    assert len(guides.valid) > 10
    assert guide_problems(our_corpus()) == []


SICK: dict[str, tuple[dict[str, Any], str, str]] = {
    "a missing key": ({"steps": None}, TREE, "key `steps` is missing: add it"),
    "no steps": ({"steps": []}, TREE, "key `steps`: expected `array` of length >= 1"),
    "no messages": ({"messages": []}, TREE, "key `messages`: expected `array` of length >= 1"),
    "an unknown key": ({"level": 1}, TREE, "key `level` is unknown: remove it"),
    "a long text": ({"why": "word " * 81}, TREE, "key `why` has 81 words: shorten it to 80"),
    "an unknown entry": ({"related": ["a/b"]}, TREE, "key `related`: 'a/b' is not in the corpus"),
    "an unknown topic": ({}, "guides/oven/melted.toml", "is in no topic of the corpus"),
    "the id of a case": ({}, "guides/shape/pair.toml", "the id 'pair' is used twice"),
}


@pytest.mark.parametrize("what", SICK)
def test_an_invalid_guide_is_a_problem(what: str, tmp_path: Path) -> None:
    change, file, message = SICK[what]
    corpus = corpus_of(tmp_path, {"shape/pair": Pair()})
    write(tmp_path, GUIDE)
    assert guide_problems(corpus) == []
    (tmp_path / TREE).unlink()
    write(
        tmp_path, {key: value for key, value in (GUIDE | change).items() if value is not None}, file
    )
    found = guide_problems(corpus)
    assert [problem.file for problem in found] == [file]
    assert found[0].message.startswith(message)
    assert found[0] in lint(corpus)


def test_an_invalid_guide_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path / TREE, "title =")
    with pytest.raises(CorpusError, match=r"guides/shape/melted.toml: not valid TOML"):
        guide_of(tmp_path, "shape/melted")
    assert guide_of(tmp_path, "shape/other") is None


def test_list_marks_a_guide(ours: Command) -> None:
    done = ours("list")
    (row,) = [line for line in done.out.splitlines() if "shape/melted" in line]
    assert row.split() == ["shape/melted", "guide", "The", "accelerator", "melted"]
    listed = ours.json("list", "melted")
    assert listed == [{"id": "shape/melted", "kind": "guide", "title": GUIDE["title"]}]


def test_show_prints_a_guide(ours: Command) -> None:
    for pattern in ("melted", "shape/melted"):
        page = ours("show", pattern).out
        assert "Not verified by a program: it needs an oven." in page
        assert page.index("1. Open the window.") < page.index("2. Buy a fan.")
        assert "Warning: it is hot" in page
    shown = ours.json("show", "melted")
    assert (shown["kind"], shown["spec"]["steps"]) == ("guide", GUIDE["steps"])
    assert ours("show", "pair").code == 0


def test_explain_answers_with_a_guide(ours: Command) -> None:
    done = ours("explain", MESSAGE)
    assert done.code == 0
    for text in (
        "1. The accelerator melted  (shape/melted)",
        "Not verified by a program: it needs an oven.",
        "1. Open the window.",
        "broken-convnets show shape/melted",
    ):
        assert text in done.out
    assert "The fix in our example" not in done.out
    match = ours.json("explain", MESSAGE)["matches"][0]
    assert (match["unverified"], match["steps"]) == (GUIDE["unverified"], GUIDE["steps"])


def test_coverage_counts_guides_apart(ours: Command) -> None:
    put(ours.root / "evidence/reports.jsonl", json.dumps(REPORT))
    corpus = load(ours.root)
    found = coverage.read(corpus)
    assert "shape/melted" in kinds.kinds(corpus)
    assert not [problem for problem in found.problems() if "shape/melted" in problem]
    page = coverage.page(corpus, found)
    assert "Guides cover 1 more kinds,\nand 1 more reports" in page.replace(
        " and 1 more", "\nand 1 more"
    )
    assert "| shape/melted | 1 | shape/melted |" in page.partition("kind with a guide only")[2]


def test_a_kind_with_a_guide_must_not_be_listed_as_uncovered(ours: Command) -> None:
    put(ours.root / "evidence/reports.jsonl", json.dumps(REPORT))
    put(ours.root / "evidence/uncovered.toml", '"shape/melted" = "a reason"')
    problems = coverage.read(load(ours.root)).problems()
    assert (
        "shape/melted: covered by shape/melted: remove it from evidence/uncovered.toml" in problems
    )


def test_the_site_has_a_page_for_a_guide(ours: Command, tmp_path: Path) -> None:
    build(load(ours.root), tmp_path / "site")
    page = (tmp_path / "site/shape/melted.html").read_text(encoding="utf-8")
    assert "not verified by a program: it needs an oven" in page
    assert page.index("Open the window.") < page.index("Buy a fan.")
    assert 'href="../shape/pair.html"' in page
    front = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert 'href="shape/melted.html"' in front
    assert "the accelerator melted away" in front


def test_the_wheel_contains_the_guides() -> None:
    settings = tomllib.loads((default_root() / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "guides" in wheel["only-include"]
    assert wheel["sources"]["guides"] == "broken_convnets/bundled/guides"
