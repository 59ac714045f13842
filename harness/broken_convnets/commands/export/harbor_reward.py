"""Print the reward of one Harbor task: 1 or 0. Runs in the verifier's container.

A broken program earns 1 if it is repaired, a healthy one if it is unchanged or still works.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.learn.judge import Judge
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.corpus.diff import same_syntax

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.learn.judge import Judgement

PROGRAM = "net.py"
ANSWER = "answer.json"
CORPUS = "corpus"  # the files of the one entry
SIZE_LIMIT = 256 << 10  # bytes; a program has about 2000


class Answer(msgspec.Struct, frozen=True):
    """What a task is about; a solver must not see it."""

    entry: str
    role: ProgramRole


def reward(tests: Path, solved: Path, judge: Callable[[str, str], Judgement]) -> int:
    """Return 1 or 0 for the program in `solved`; `tests` is the folder of the task's verifier."""
    answer = msgspec.json.decode((tests / ANSWER).read_bytes(), type=Answer)
    source = _text(solved)
    if source is None:
        return 0
    if answer.role is not ProgramRole.BROKEN:
        original = (tests / PROGRAM).read_text(encoding="utf-8")
        if same_syntax(source, original):
            return 1
    if answer.role is ProgramRole.CONTROL:
        return 0
    return int(judge(answer.entry, source).ok)


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
        return None if len(data) > SIZE_LIMIT else data.decode()
    except (OSError, UnicodeDecodeError):
        return None


def main() -> None:
    """Print the reward for the verifier's folder and the program that the command line names."""
    tests, solved = map(Path, sys.argv[1:])
    corpus = tests / CORPUS
    if corpus.is_dir():
        with Judge(corpus) as judge:
            print(reward(tests, solved, judge))
    else:
        print(reward(tests, solved, _no_case))


def _no_case(entry: str, _: str) -> Judgement:
    message = f"{entry} has no files in the task"
    raise FileNotFoundError(message)


if __name__ == "__main__":
    main()
