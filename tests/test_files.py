"""Files that belong together change together, whatever happens meanwhile."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from broken_convnets.util import files
from kit import put, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 30
# Writes the same number into two files, over and over, and says when the first is there.
WRITER = """
import sys
from pathlib import Path
from broken_convnets.util import files

folder, start = Path(sys.argv[1]), int(sys.argv[2])
for version in range(start, start + 1_000_000):
    with files.replaced(folder) as draft:
        for name in ("one", "two"):
            (draft / name).write_text(f"{version}\\n" * 500)
    if version == start:
        print("begun", flush=True)
"""


@pytest.mark.parametrize("content", [b"", b"a\n", b"a\r\nb\rc\n\r\n", "\ufeffä…\n".encode()])
def test_a_text_is_read_as_read_text_reads_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(content)
    assert files.read(path) == files.read(str(path)) == path.read_text(encoding="utf-8")


def test_what_is_not_utf8_is_refused_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(UnicodeDecodeError) as theirs:
        path.read_text(encoding="utf-8")
    with pytest.raises(UnicodeDecodeError) as ours:
        files.read(path)
    assert str(ours.value) == str(theirs.value)


def _folder(root: Path) -> Path:
    folder = root / "results"
    folder.mkdir()
    (folder / "one").write_text("old")
    return folder


@contextmanager
def _writer(folder: Path, start: int) -> Iterator[None]:
    """Let another process write, from its first version on until it is killed at the end."""
    command = [sys.executable, "-c", WRITER, str(folder), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "begun\n"
            yield
        finally:
            process.kill()


def test_a_block_that_ends_well_replaces_the_folder(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with files.replaced(folder) as draft:
        assert (draft / "one").read_text() == "old"
        (draft / "one").write_text("new")
        (draft / "two").write_text("new")
        assert (folder / "one").read_text() == "old"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "one": "new",
        "two": "new",
    }
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_changes_nothing(error: type[BaseException], tmp_path: Path) -> None:
    folder = _folder(tmp_path)

    def interrupted() -> None:
        with files.replaced(folder) as draft:
            (draft / "one").write_text("new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (folder / "one").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    with files.replaced(tmp_path / "deep" / "results") as draft:
        (draft / "one").write_text("new")
    assert (tmp_path / "deep/results/one").read_text() == "new"


def test_without_an_atomic_exchange_the_folder_is_still_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "other")
    folder = _folder(tmp_path)
    with files.replaced(folder) as draft:
        (draft / "one").write_text("new")
    assert (folder / "one").read_text() == "new"
    assert list(tmp_path.iterdir()) == [folder]


DEAD = 2**22 + 1  # above every process number of Linux


@pytest.mark.parametrize(
    "number", [f"{DEAD}", f"{DEAD}-aside", f"{os.getpid()}"], ids=["dead", "aside", "as ours"]
)
def test_a_draft_whose_writer_is_dead_is_cleared_away(number: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    put(tmp_path / f".results-{number}" / "one", "left behind")
    with files.replaced(folder):
        pass
    assert list(tmp_path.iterdir()) == [folder]


def test_a_draft_whose_writer_is_alive_is_left_alone(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with files.replaced(folder) as draft:
        (draft / "one").write_text("mine")
        with _writer(folder, 1):
            pass
        assert (draft / "one").read_text() == "mine"


def test_a_file_is_written_by_way_of_a_draft(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    files.write(path, "new é")
    assert path.read_text(encoding="utf-8") == "new é"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        files.write(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_killed_at_any_moment_leaves_one_version(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    chance, seen = random.Random(0), set()  # noqa: S311  (no secret)
    for kill in range(KILLS):
        with _writer(folder, kill * 1_000_000):
            time.sleep(chance.uniform(0, 0.03))  # the moment, not a wait for anything
        versions = {(folder / name).read_text() for name in ("one", "two")}
        assert len(versions) == 1, f"kill {kill}"
        assert len(set(versions.pop().split())) == 1, f"kill {kill}"
        seen.add((folder / "one").read_text())
    assert len(seen) == KILLS
    leftovers = [path for path in tmp_path.iterdir() if path != folder]
    assert len(leftovers) <= 1, "a draft outlived the next writer"


def test_a_reader_never_sees_a_mixture(tmp_path: Path) -> None:
    folder = tmp_path / "results"

    def consistent() -> bool:
        handle = os.open(folder, os.O_RDONLY)  # one folder, also if it is swapped meanwhile
        try:
            names = [os.open(name, os.O_RDONLY, dir_fd=handle) for name in ("one", "two")]
            texts = {os.read(name, 99_999) for name in names}
            for name in names:
                os.close(name)
        except FileNotFoundError:  # what was swapped out is being deleted
            return True
        finally:
            os.close(handle)
        return len(texts) == 1

    with _writer(folder, 0):
        assert not wait_for(lambda: not consistent(), 0.5)
