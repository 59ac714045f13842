"""What is remembered between runs: never stale, and never needed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.explain import matching, ranking
from broken_convnets.corpus import messages
from broken_convnets.corpus.entries import load
from broken_convnets.util import cache
from kit import BOOK, Pair, Solo, corpus_of, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.corpus.entries import Corpus

CHANGES = {
    "what a case declares": (
        "cases/shape/pair.toml",
        "cannot be multiplied",
        "cannot be multiplier",
    ),
    "the order of answers": ("cases/shape/pair.toml", "level = 1", "level = 2"),
    "what was recorded": ("results/torch-2.14.1/cpu.toml", "shapes", "shaped"),
    "what people report": ("evidence/reports.jsonl", "shape/flatten", "shape/flattes"),
}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/broken-convnets/explain/last"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Hold an item for each index that is built."""
    found: list[int] = []
    build = ranking.build

    def counted(known: dict[str, list[messages.Message]]) -> ranking.Index:
        index = build(known)
        found.append(len(index.documents))
        return index

    monkeypatch.setattr(ranking, "build", counted)
    return found


def _corpus(root: Path) -> Corpus:
    put(root / "results/torch-2.14.1/cpu.toml", BOOK)
    put(root / "evidence/reports.jsonl", '{"kind": "shape/flatten"}\n')
    return corpus_of(root, {"shape/pair": Pair(), "dtype/myth": Solo()})


def _edit(path: Path, old: str, new: str) -> None:
    """Change a file in a way that its size and its time do not tell."""
    before, text = path.stat(), path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@pytest.mark.usefixtures("kept")
def test_the_same_corpus_is_indexed_once(tmp_path: Path, built: list[int]) -> None:
    first = matching.index_of(_corpus(tmp_path))
    assert first.documents
    assert matching.index_of(load(tmp_path)) == first
    assert len(built) == 1


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_index_is_never_stale(
    change: tuple[str, str, str], tmp_path: Path, built: list[int]
) -> None:
    matching.index_of(_corpus(tmp_path))
    _edit(tmp_path / change[0], *change[1:])
    found = matching.index_of(load(tmp_path))
    assert len(built) == 2
    assert found == ranking.build(messages.known(load(tmp_path)))


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("name", ["ranking", "wording", "mask", "numbers", "messages"])
def test_another_harness_makes_another_index(
    name: str, tmp_path: Path, built: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "harness"
    shutil.copytree(Path(matching.__file__).parent, code, ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.setattr(matching, "__file__", str(code / "matching.py"))
    matching.index_of(_corpus(tmp_path))
    _edit(code / f"{name}.py", "import", "impord")
    matching.index_of(load(tmp_path))
    assert len(built) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:0],
        lambda whole: whole[:-1],
        lambda whole: whole[: cache.DIGEST],
        lambda whole: whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        lambda whole: whole[: cache.DIGEST] + cache.digest([b"{}"]) + b"{}",
    ],
    ids=["empty", "cut", "only its key", "a bit", "of another shape"],
)
def test_a_damaged_cache_is_made_anew(
    damage: Callable[[bytes], bytes], tmp_path: Path, kept: Path, built: list[int]
) -> None:
    whole_index = matching.index_of(_corpus(tmp_path))
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert matching.index_of(load(tmp_path)) == whole_index
    assert len(built) == 2
    assert kept.read_bytes() == whole


@pytest.mark.parametrize("obstacle", ["file", "folder", "no home"])
def test_a_cache_that_cannot_be_used_is_done_without(
    obstacle: str, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if obstacle == "file":
        put(tmp_path / "cache", "")
    elif obstacle == "folder":
        kept.mkdir(parents=True)
    else:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", _homeless)
    for corpus in (_corpus(tmp_path), load(tmp_path)):
        assert matching.index_of(corpus) == ranking.build(messages.known(corpus))


def _homeless() -> Path:
    message = "could not determine home directory"
    raise RuntimeError(message)


def test_what_changed_while_it_was_made_is_not_kept(kept: Path) -> None:
    source = [b"before"]

    def make() -> int:
        source[0] = b"after"
        return 1

    assert cache.remembered("explain", lambda: source, int, make) == 1
    assert not kept.exists()
    source[0] = b"before"
    assert cache.remembered("explain", lambda: source, int, lambda: 2) == 2
    assert cache.remembered("explain", lambda: source, int, lambda: 3) == 2


def test_contents_are_told_apart_by_where_they_end() -> None:
    assert cache.digest([b"ab", b"c"]) != cache.digest([b"a", b"bc"])
    assert cache.digest([b"ab", b""]) != cache.digest([b"ab"])
