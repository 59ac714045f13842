"""A file is never half-written, whatever happens meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from broken_convnets.util import files
from broken_convnets.util.locks import locked
from kit import put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 10
# Replaces one file with ever new versions, and says when the first is there.
WRITER = """
import sys
from pathlib import Path
from broken_convnets.util import files

path, start = Path(sys.argv[1]), int(sys.argv[2])
for version in range(start, start + 1_000_000):
    files.write(path, f"{version}\\n" * 500)
    if version == start:
        print("begun", flush=True)
"""

# Adds to a number in a file, 50 times, under the lock of its folder.
ADDER = """
import sys
from pathlib import Path
from broken_convnets.util import files
from broken_convnets.util.locks import locked

folder = Path(sys.argv[1])
for _ in range(50):
    with locked(folder):
        count = folder / "count"
        files.write(count, str(int(count.read_text()) + 1 if count.exists() else 1))
"""


@pytest.mark.parametrize("content", [b"", b"a\n", b"a\r\nb\rc\n\r\n", "\ufeffä…\n".encode()])
def test_read_returns_the_same_as_read_text(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(content)
    assert files.read(path) == files.read(str(path)) == path.read_text(encoding="utf-8")


def test_invalid_utf8_raises_the_same_error_as_read_text(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(UnicodeDecodeError) as theirs:
        path.read_text(encoding="utf-8")
    with pytest.raises(UnicodeDecodeError) as ours:
        files.read(path)
    assert str(ours.value) == str(theirs.value)


@contextmanager
def _writer(path: Path, start: int) -> Iterator[None]:
    """Let another process write, from its first version on until it is killed at the end."""
    command = [sys.executable, "-c", WRITER, str(path), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "begun\n"
            yield
        finally:
            process.kill()


def test_a_file_is_replaced_and_no_temporary_file_is_left(tmp_path: Path) -> None:
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
    path = tmp_path / "file"
    chance, seen = random.Random(0), set()  # noqa: S311  (no secret)
    for kill in range(KILLS):
        with _writer(path, kill * 1_000_000):
            time.sleep(chance.uniform(0, 0.03))  # the moment, not a wait for anything
        lines = path.read_text().split()
        assert (len(lines), len(set(lines))) == (500, 1), f"kill {kill}"
        seen.add(lines[0])
    assert len(seen) == KILLS


def test_a_reader_never_sees_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with _writer(path, 0):
        for _ in range(2_000):
            lines = path.read_text().split()
            assert (len(lines), len(set(lines))) == (500, 1)


def test_the_files_named_are_deleted_and_then_empty_folders(tmp_path: Path) -> None:
    for name in ("a/b/gone", "a/kept", "gone"):
        put(tmp_path / "site" / name, "text")
    put(tmp_path / "outside", "text")
    names = ["a/b/gone", "gone", "missing", "../outside", str(tmp_path / "outside")]
    files.delete(tmp_path / "site", names)
    left = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))]
    assert left == ["outside", "site", "site/a", "site/a/kept"]


def test_a_new_file_has_the_usual_permissions_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    put(tmp_path / "usual", "text")
    files.write(tmp_path / "new", "text")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "new").chmod(0o600)
    files.write(tmp_path / "new", "other")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_two_writers_take_turns(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ADDER, str(tmp_path)]
    writers = [subprocess.Popen(command) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert (tmp_path / "count").read_text() == "100"


def test_a_writer_that_waits_says_so(tmp_path: Path) -> None:
    with locked(tmp_path):
        waiting = subprocess.Popen(
            [sys.executable, "-c", ADDER, str(tmp_path)], stderr=subprocess.PIPE, text=True
        )
        assert waiting.stderr
        line = waiting.stderr.readline()
    assert line == f"waiting: another command writes to {tmp_path}\n"
    assert waiting.wait() == 0
    waiting.stderr.close()
