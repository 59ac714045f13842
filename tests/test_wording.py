"""Text for users avoids words that this project does not use.

Only words that are wrong wherever they appear are listed, so that nobody has to argue with a test.
"""

from __future__ import annotations

import ast
import re
import signal
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.cli import main
from broken_convnets.commands.registry import COMMANDS
from documents import ROOT, documents

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTEAD = {
    r"python -m harness": "python -m broken_convnets",
    r"--bless": "--update",
    r"mend(?:s|ed|ing)?": "fix, fixed",
    r"you (?:are|were) told": "the message says, `learn` reports",
    r"(?<!there )is no (?!longer|more|less|good|other|different|\w+er\b)\w+": "is not a",
    r"whole numbers?": "integer",
    r"in the place of": "instead of",
    r"(?:took and gave|takes? and gives?)": "inputs and output",
    r"gives? None": "returns None",
    r"(?:hands?|handed) back": "returns",
    r"from fresh": "again, from the beginning",
    r"(?:innocent|guilty)": "the layer that causes the failure",
    r"grey(?:scale)?": "gray, grayscale",
    r"(?:colour|behaviour|neighbour|favour)\w*": "color, behavior, neighbor, favor",
    r"(?:normal|initial|optim|general|special|recogn|summar|serial)is(?:e|es|ed|ing|ation)": "-ize",
}
PATTERNS = {re.compile(rf"(?<![\w-]){word}(?!\w)", re.IGNORECASE): word for word in INSTEAD}
# A changelog names what was renamed.
ALLOWED = {("CHANGELOG.md", "--bless")}
PROSE = ("title", "hints", "why", "diagnose", "distinguish", "differs", "waive", "claim", "truth")
ENTRIES = sorted([*ROOT.glob("cases/*/*.toml"), *ROOT.glob("controls/*/*.toml")])


def unwanted(text: str) -> list[str]:
    """Return each phrase of `text` that the project does not use."""
    flat = " ".join(text.split())
    return [found[0] for pattern in PATTERNS for found in pattern.finditer(flat)]


def messages(source: str) -> str:
    """Return every string of a module that may be printed: with a space, and not a docstring."""
    tree = ast.parse(source)
    bare = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in bare]
    return "\n".join(t.value for t in texts if isinstance(t.value, str) and " " in t.value)


def prose(value: Any) -> Iterator[str]:
    """Yield each string in a value of a TOML file."""
    if isinstance(value, str):
        yield value
    else:
        for part in value.values() if isinstance(value, dict) else value:
            yield from prose(part)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Run `python -m harness list`.", ["python -m harness"]),
        ("Mend it; it is\nmended.", ["Mend", "mended"]),
        ("'0' is no whole number", ["is no whole", "whole number"]),
        ("That is no\ncase.", ["is no case"]),
        ("You are told the id.", ["You are told"]),
        ("What each layer took and gave.", ["took and gave"]),
        ("The network gives None.", ["gives None"]),
        ("a grey picture of normalised colours", ["grey", "colours", "normalised"]),
        ("Record it with --bless.", ["--bless"]),
    ],
)
def test_a_word_that_we_do_not_use_is_found(text: str, found: list[str]) -> None:
    assert sorted(unwanted(text)) == sorted(found)


@pytest.mark.parametrize(
    "text",
    [
        "There is no warning. If there is no file, it is no longer needed.",
        "We recommend amending the commit; a mender is a word of its own.",
        "python -m harness_of_mine --blessed",
        "The greyhound noise rises; precise exercises advise otherwise.",
        "An optimizer gives no guarantee.",
        "What people are told.",
    ],
)
def test_ordinary_english_is_accepted(text: str) -> None:
    assert unwanted(text) == []


@pytest.mark.parametrize("document", [pytest.param(d, id=d.path.name) for d in documents()])
def test_the_documents_use_our_words(document: Any) -> None:
    name = document.path.name
    assert [word for word in unwanted(document.text) if (name, word) not in ALLOWED] == []


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_uses_our_words(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    signal.signal(signal.SIGTERM, former)
    text = capsys.readouterr().out
    assert "usage:" in text
    assert unwanted(text) == []


def test_the_messages_of_the_program_use_our_words() -> None:
    modules = sorted((ROOT / "harness").rglob("*.py"))
    found = {path.name: unwanted(messages(path.read_text(encoding="utf-8"))) for path in modules}
    assert len(modules) > 100
    assert {name: words for name, words in found.items() if words} == {}


def test_messages_are_strings_with_a_space_that_are_not_docstrings() -> None:
    source = '"""Mend a file."""\nprint(f"{name} is no file: mend it", "mend", b"mend it")'
    assert messages(source) == " is no file: mend it"


def test_the_pages_use_our_words() -> None:
    pages = sorted((ROOT / "harness/broken_convnets/commands/site/templates").glob("*.html"))
    assert len(pages) > 5
    assert unwanted("\n".join(page.read_text(encoding="utf-8") for page in pages)) == []


def test_the_entries_use_our_words() -> None:
    found = {}
    for path in ENTRIES:
        entry = tomllib.loads(path.read_text(encoding="utf-8"))
        text = "\n".join(part for key in PROSE for part in prose(entry.get(key, "")))
        if words := unwanted(text):
            found[path.relative_to(ROOT).as_posix()] = words
    assert len(ENTRIES) > 200
    assert found == {}


def test_every_string_of_an_entry_is_read() -> None:
    assert list(prose({"a": ["b", {"c": "d"}], "e": "f"})) == ["b", "d", "f"]
