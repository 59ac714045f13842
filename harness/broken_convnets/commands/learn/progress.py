"""What a learner has done so far: one file, replaced in one step, without personal data."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from broken_convnets.errors import UsageError
from broken_convnets.util import files
from broken_convnets.util.json_output import as_json

if TYPE_CHECKING:
    from pathlib import Path

NAME = "progress.json"


class State(StrEnum):
    """How far one case is."""

    NEW = "new"
    STARTED = "started"
    SOLVED = "solved"


class Entry(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One case's story."""

    state: State = State.STARTED
    attempts: int = 0  # saved programs that were judged and differed from the one before
    hints: int = 0  # taken
    solution_seen: bool = False  # before it was solved
    solved_at: int | None = None  # the number of the attempt
    last: str = ""  # the SHA-256 of the program judged last


class Progress(Struct, forbid_unknown_fields=True):
    """All that is kept between sessions."""

    version: int = 1
    current: str = ""
    cases: dict[str, Entry] = field(default_factory=dict)

    def entry(self, name: str) -> Entry:
        """Return the story of one case, begun now if it is new."""
        return self.cases.setdefault(name, Entry())

    def judged(self, name: str, source: str, *, unchanged: bool, solved: bool) -> None:
        """Take in one judgement; the same program a second time is no attempt, nor is the case."""
        entry = self.entry(name)
        digest = hashlib.sha256(source.encode()).hexdigest()
        if digest != entry.last and not unchanged:
            entry.attempts += 1
        entry.last = digest
        if solved and entry.state is not State.SOLVED:
            entry.state, entry.solved_at = State.SOLVED, entry.attempts

    def state(self, name: str) -> State:
        """Return how far a case is."""
        entry = self.cases.get(name)
        return entry.state if entry else State.NEW

    def report(self, names: list[str]) -> list[dict[str, Any]]:
        """Return for each case what a teacher may want to know."""
        rows = []
        for name in names:
            entry = self.cases.get(name, Entry(state=State.NEW))
            rows.append(
                {
                    "id": name,
                    "state": entry.state,
                    "attempts": entry.attempts,
                    "hints": entry.hints,
                    "solution_seen": entry.solution_seen,
                    "solved_at": entry.solved_at,
                }
            )
        return rows


def read(folder: Path) -> Progress:
    """Return what is kept in `folder`; raises UsageError where the file is damaged."""
    path = folder / NAME
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return Progress()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path}: {error}: correct it, or delete it to begin anew"
        raise UsageError(message) from None
    if found.version != Progress().version:
        message = f"{path}: version {found.version} is of another release: delete it to begin anew"
        raise UsageError(message)
    return found


def write(folder: Path, progress: Progress) -> None:
    """Keep `progress` in `folder`."""
    text = as_json(progress)
    files.write(folder / NAME, f"{text}\n")
