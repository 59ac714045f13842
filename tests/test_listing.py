"""`list` prints the rows of a rich table, without rich."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.list.listing import HEADINGS, INVALID, listing
from broken_convnets.corpus.entries import Case
from broken_convnets.util import terminal
from kit import HEALTHY, Pair, Solo, corpus_of, our_corpus, put
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus

LONG = "A title so long that it needs at least three lines in the table, where there is little room"


def _mixed(root: Path) -> Corpus:
    put(root / "cases/loss/half.py", HEALTHY)
    pairs = {"shape/pair": Pair(), "shape/long": Pair(extra={"title": LONG})}
    return corpus_of(root, {**pairs, "dtype/myth": Solo(extra={"title": "A [red]title[/red]"})})


def _table(corpus: Corpus, width: int) -> str:
    """Return the same rows as rich prints them, without trailing spaces."""
    table = Table(box=None, pad_edge=False)
    for name in HEADINGS:
        table.add_column(name, no_wrap=name != "title")
    for name in corpus.ids:
        entry = corpus.entries.get(name)
        if entry is None:
            table.add_row(name, "", "", INVALID)
        else:
            stage = entry.spec.broken.stage if isinstance(entry, Case) else "control"
            table.add_row(name, str(entry.spec.level), stage, Text(entry.spec.title))
    shown = io.StringIO()
    Console(file=shown, width=width, highlight=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in shown.getvalue().splitlines())


@pytest.mark.parametrize("width", [60, 80, 100, 132, 300])
def test_the_rows_are_those_of_a_rich_table(width: int, tmp_path: Path) -> None:
    corpus = _mixed(tmp_path)
    rows = "".join(text for text, _ in listing(corpus, corpus.ids, width))
    assert rows == _table(corpus, width)


@pytest.mark.parametrize("width", [110, 132])  # wide enough for the longest word of a title
def test_the_rows_of_the_corpus_are_those_of_a_rich_table(width: int) -> None:
    corpus = our_corpus()
    rows = "".join(text for text, _ in listing(corpus, corpus.ids, width))
    assert rows == _table(corpus, width)


def test_a_narrow_terminal_truncates_nothing(tmp_path: Path) -> None:
    corpus = _mixed(tmp_path)
    rows = "".join(text for text, _ in listing(corpus, corpus.ids, 10))
    assert " ".join(rows.split()).endswith("pair 1 forward A network of a test")
    assert max(map(len, rows.splitlines())) < 60


def test_invalid_entries_are_red_and_headings_are_bold(tmp_path: Path) -> None:
    corpus = _mixed(tmp_path)
    styles = {text.strip(): style for text, style in listing(corpus, corpus.ids, 132)}
    assert styles[INVALID] == "red"
    assert styles["title"] == "bold"
    assert {style for text, style in styles.items() if text not in {INVALID, "title"}} <= {
        "",
        "bold",
    }


def test_a_stream_without_isatty_gets_plain_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Odd:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

    odd = Odd()
    for name in terminal.STYLED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stderr", odd)
    terminal.print_pieces(lambda width: [(f"{width}\n", "bold")], stderr=True)
    assert odd.text == f"{terminal.WIDTH}\n"


@pytest.mark.parametrize("wish", ["", "FORCE_COLOR", "TTY_COMPATIBLE"])
def test_styles_appear_where_rich_would_show_them(
    wish: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", *terminal.STYLED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if wish:
        monkeypatch.setenv(wish, "1")
    terminal.print_pieces(lambda _: [("a [b]\n", "red")])
    assert capsys.readouterr().out == ("\x1b[31ma [b]\x1b[0m\n" if wish else "a [b]\n")
