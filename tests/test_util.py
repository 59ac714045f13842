"""What all commands share: TOML files, progress bars, interrupts, hashes, JSON."""

from __future__ import annotations

import signal
import traceback
from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.errors import RecordError
from broken_convnets.observe.without_values import needs_values
from broken_convnets.util import code_hash, progress, terminal
from broken_convnets.util.interrupts import interruptible
from broken_convnets.util.json_output import as_json, print_json
from broken_convnets.util.progress import progress_bar, track
from broken_convnets.util.toml_files import read_toml, write_toml
from broken_convnets.util.traceback_text import FRAME
from broken_convnets.util.visible import visible
from rich.console import Console

if TYPE_CHECKING:
    from pathlib import Path


class Point(msgspec.Struct, forbid_unknown_fields=True):
    x: int
    note: str = ""


def test_a_toml_file_is_read_back_to_the_letter(tmp_path: Path) -> None:
    path = tmp_path / "deep/point.toml"
    point = Point(3, 'two\nlines, a tab\t and a quote"')
    write_toml(path, point)
    first = path.read_bytes()
    write_toml(path, point)
    assert path.read_bytes() == first
    assert read_toml(path, Point, "") == point


@pytest.mark.parametrize(
    "damage",
    [b"x = ", b"x = 'one'", b"y = 1", b"\xff", b"x = " + b"1" * 10_000, b"x = " + b"[" * 9_999],
    ids=["syntax", "type", "key", "bytes", "number", "depth"],
)
def test_a_damaged_toml_file_is_refused_with_path_and_remedy(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "point.toml"
    path.write_bytes(damage)
    with pytest.raises(RecordError, match=r"point\.toml: .*; restore it"):
        read_toml(path, Point, "restore it")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2K", r"\x1b[2K"),
        ("\r", r"\r"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202e\u200b", r"\u202e\u200b"),
        ("\ud800", r"\ud800"),
        ("é ✓\t\n", "é ✓\t\n"),
    ],
)
def test_controls_of_a_text_become_visible(text: str, shown: str) -> None:
    assert visible(f"a{text}b") == f"a{shown}b"


def test_a_missing_toml_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "point.toml", Point, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 128 + signal.SIGINT),
        (SystemExit(128 + signal.SIGTERM), 128 + signal.SIGTERM),
        (None, 0),
    ],
)
def test_an_interruption_ends_the_block_with_its_exit_code(
    error: BaseException | None, code: int
) -> None:
    with interruptible() as interruption:
        if error:
            raise error
    assert interruption.exit_code == code
    assert bool(interruption) is (code != 0)


@pytest.mark.parametrize("error", [ValueError(), SystemExit(0), SystemExit(), SystemExit("no")])
def test_other_exceptions_are_not_interruptions(error: BaseException) -> None:
    with pytest.raises(type(error)), interruptible():
        raise error


def test_progress_is_one_line_where_stderr_is_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("ab"), "counting [bold]two[/bold]", 2)) == ["a", "b"]
    out, err = capsys.readouterr()
    assert (out, err) == ("", "counting [bold]two[/bold] …\n")


def test_a_long_task_writes_lines_to_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_PER_LINE", 0.0)
    assert list(track("ab", "running [2] programs", 2)) == ["a", "b"]
    expected = (
        "running [2] programs …\nrunning [2] programs: 1 of 2\nrunning [2] programs: 2 of 2\n"
    )
    assert capsys.readouterr().err == expected


def test_progress_on_a_terminal_counts_and_names_the_item(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def console(*, stderr: bool) -> Console:
        return Console(stderr=stderr, force_terminal=True, width=100, _environ={})

    monkeypatch.setattr(terminal, "console", console)
    with progress_bar("running", 3) as bar:
        bar.advance(2, detail="shape/[pair]")
    out, err = capsys.readouterr()
    assert out == ""
    assert "running" in err
    assert "2/3" in err
    assert "shape/[pair]" in err


def test_the_hash_changes_with_any_file_and_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_hash, "PACKAGE", tmp_path)
    seen = set()
    for name, text in (("a.py", "x"), ("b/c.py", "x"), ("b/c.py", "y"), ("b/d.py", "y")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        code_hash.code_hash.cache_clear()
        seen.add(code_hash.code_hash())
    code_hash.code_hash.cache_clear()
    (tmp_path / "b/d.py").rename(tmp_path / "b/e.py")
    seen.add(code_hash.code_hash())
    assert len(seen) == 5
    code_hash.code_hash.cache_clear()


def test_json_is_indented_and_ends_with_one_line_end(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(Point(1))
    assert capsys.readouterr().out == as_json(Point(1)) + "\n" == '{\n  "x": 1,\n  "note": ""\n}\n'


def test_a_frame_has_file_line_and_function() -> None:
    text = "".join(traceback.format_stack())
    last = list(FRAME.finditer(text))[-1]
    assert last["file"] == __file__
    assert last["name"] == "test_a_frame_has_file_line_and_function"
    assert FRAME.search('File "x.py", line 3')
    assert not FRAME.search('File "x\ny.py", line 3')


class DataDependentOutputException(Exception):  # noqa: N818  (torch's name for it)
    pass


@pytest.mark.parametrize(
    ("error", "needed"),
    [
        (DataDependentOutputException("aten._local_scalar_dense"), True),
        (RuntimeError("Tensor.item() cannot be called on meta tensors"), True),
        (RuntimeError(".numpy() is not supported for tensor subclasses."), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"), False),
        (NotImplementedError('Module [Net] is missing the required "forward" function'), False),
    ],
)
def test_an_error_about_missing_values_is_recognized(error: Exception, needed: bool) -> None:  # noqa: FBT001  (a parameter)
    assert needs_values(error) is needed
