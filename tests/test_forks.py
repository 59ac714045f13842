"""A call in a forked child ends as a process of its own does, and cannot harm the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from forks import Call, answer, call, command_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("function", "argument", "code"),
    [("os:_exit", 3, 3), ("sys:exit", 4, 4), ("signal:raise_signal", 9, -9), ("time:sleep", 0, 0)],
)
def test_the_exit_code_is_that_of_the_child(
    function: str, argument: int, code: int, tmp_path: Path
) -> None:
    (ended,) = call(Call(function, tmp_path, [argument]))
    assert (ended.code, ended.out, ended.err) == (code, "", "")


def test_an_exception_is_printed_and_the_next_call_runs(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("raises", "lists")]
    for folder in folders:
        folder.mkdir()
    arguments = ["list", "none/missing_return"]
    raised, listed = call(
        Call("json:loads", folders[0], ["{"]), command_line(folders[1], arguments)
    )
    assert raised.code == 1
    assert "JSONDecodeError" in raised.err
    assert (listed.code, listed.err) == (0, "")
    assert "none/missing_return" in listed.out


def test_an_answer_that_never_comes_fails_the_test(tmp_path: Path) -> None:
    assert answer("os:getcwd", tmp_path) == str(tmp_path)
    with pytest.raises(AssertionError, match="before it answered"):
        answer("sys:exit", tmp_path)
