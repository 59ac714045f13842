"""`explain` reads one file, which is current, and does without it for another corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.explain import index, index_file
from broken_convnets.commands.explain.matching import explain
from broken_convnets.corpus.entries import default_root, load
from broken_convnets.errors import CorpusError, RecordError
from broken_convnets.util import cache
from kit import BOOK, Pair, Solo, corpus_of, our_corpus, put

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus
    from conftest import Command

FILE = f"results/{index_file.NAME}"
MESSAGE = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x4 and 16x5)"
CHANGES = {
    "what a case declares": ("cases/shape/pair.toml", "cannot be multiplied", "cannot be divided"),
    "what was recorded": ("results/torch-2.14.1/cpu.toml", "shapes", "sizes"),
    "what was reported": ("evidence/reports.jsonl", "shape/flatten", "shape/view"),
}


def _corpus(root: Path) -> Corpus:
    put(root / "results/torch-2.14.1/cpu.toml", BOOK)
    put(root / "evidence/reports.jsonl", '{"kind": "shape/flatten"}\n')
    other = Pair(extra={"covers": ["shape/view"], "differs": "its name"})
    return corpus_of(root, {"shape/pair": Pair(), "shape/other": other, "dtype/myth": Solo()})


def test_the_file_of_this_corpus_says_what_its_records_say() -> None:
    corpus = our_corpus()
    assert index_file.problem(corpus) == ""
    assert index_file.read(default_root()) == index.index_of(corpus)
    assert len(index_file.read(default_root()).documents) > 500


def test_the_file_is_read_back_and_has_an_entry_per_line(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path)
    path = index_file.write(corpus)
    built = index.index_of(corpus)
    assert index_file.read(tmp_path) == built
    entries = len(built.cases) + len(built.counts) + len(built.documents)
    lines = path.read_text().splitlines()
    assert len(lines) == entries + 8
    assert list(built.counts) == sorted(built.counts)
    ids = [document.id for document in built.documents]
    assert ids == sorted(ids)
    first = path.read_bytes()
    index_file.write(load(tmp_path))
    assert path.read_bytes() == first


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_is_not_current_is_a_problem(
    change: tuple[str, str, str], tmp_path: Path
) -> None:
    name, old, new = change
    index_file.write(_corpus(tmp_path))
    assert index_file.problem(load(tmp_path)) == ""
    text = (tmp_path / name).read_text()
    assert old in text
    put(tmp_path / name, text.replace(old, new))
    assert "is not current" in index_file.problem(load(tmp_path))


def test_lint_reports_a_file_that_is_not_current(harness: Command) -> None:
    assert "messages.json" not in harness("lint").out
    put(harness.root / FILE, "{}")
    done = harness("lint")
    assert done.code == 1
    assert "results/messages.json: is not current: run `broken-convnets reproduce" in done.out


def test_without_the_file_the_index_is_built_in_memory(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path)
    assert not (tmp_path / FILE).exists()
    without = explain(MESSAGE, corpus=tmp_path)
    index_file.write(corpus)
    assert explain(MESSAGE, corpus=tmp_path) == without
    assert [match.id for match in without] == ["shape/pair"]  # the other one is less similar


def test_with_the_file_no_record_is_read(tmp_path: Path) -> None:
    index_file.write(_corpus(tmp_path))
    put(tmp_path / "results/torch-2.14.1/cpu.toml", "torch =")
    put(tmp_path / "cases/shape/unrelated.toml", "title =")
    assert explain(MESSAGE, corpus=tmp_path, top=1)[0].id == "shape/pair"


@pytest.mark.parametrize("damage", [b"", b"{", b'{"cases": 1}', b"\xff\xfe"])
def test_a_damaged_file_is_refused_with_its_remedy(damage: bytes, tmp_path: Path) -> None:
    _corpus(tmp_path)
    (tmp_path / FILE).write_bytes(damage)
    with pytest.raises(RecordError, match=r"messages\.json: .*reproduce --update"):
        explain(MESSAGE, corpus=tmp_path)


def test_a_case_that_is_gone_is_named(tmp_path: Path) -> None:
    index_file.write(_corpus(tmp_path))
    (tmp_path / "cases/shape/pair.py").unlink()
    with pytest.raises(CorpusError, match="contains no case 'shape/pair'"):
        explain(MESSAGE, corpus=tmp_path)


def test_the_cache_is_where_the_user_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    assert cache.folder("variants") == tmp_path / "there/broken-convnets/variants"
    assert cache.folder("variants").is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache.folder("score") == tmp_path / ".cache/broken-convnets/score"
