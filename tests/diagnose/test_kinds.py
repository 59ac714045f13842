"""The kinds that rules name are kinds of the corpus, and the cases that they name exist."""

from __future__ import annotations

import ast
from pathlib import Path

from broken_convnets.commands.score.kinds import known_kinds
from broken_convnets.corpus.entries import Case
from kit import our_corpus

RULES = Path(__file__).parents[2] / "harness/broken_convnets/commands/diagnose"
CORPUS = our_corpus()


def named(text: str) -> set[str]:
    """Return the literals of a module that look like a kind or a case."""
    literals = (n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant))
    texts = {one for one in literals if isinstance(one, str) and one.count("/") == 1}
    return {one for one in texts if all(half.isidentifier() for half in one.split("/"))}


def unknown(text: str) -> set[str]:
    cases = {name for name, entry in CORPUS.entries.items() if isinstance(entry, Case)}
    return named(text) - known_kinds(CORPUS) - cases


def test_rules_name_only_known_kinds_and_cases() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in RULES.rglob("*.py")}
    assert sum(len(named(text)) for text in texts.values()) > 150
    assert {name: unknown(text) for name, text in texts.items() if unknown(text)} == {}


def test_an_unknown_kind_is_noticed() -> None:
    assert unknown("kind = 'training/no_such_kind'") == {"training/no_such_kind"}
    assert unknown("kind = 'training/missing_zero_grad'") == set()
