"""The learner's progress: one JSON file, replaced atomically, without personal data."""

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
    """The state of one case."""

    NEW = "new"
    STARTED = "started"
    SOLVED = "solved"


class Entry(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The progress on one case."""

    state: State = State.STARTED
    attempts: int = 0  # graded programs that differed from the one before
    hints: int = 0  # shown
    solution_seen: bool = False  # before the case was solved
    solved_at: int | None = None  # the number of the attempt
    last: str = ""  # the SHA-256 of the last graded program


class Progress(Struct, forbid_unknown_fields=True):
    """Everything that is stored between sessions."""

    version: int = 1
    current: str = ""
    cases: dict[str, Entry] = field(default_factory=dict)

    def entry(self, name: str) -> Entry:
        """Return the progress on one case, started now if it is new."""
        return self.cases.setdefault(name, Entry())

    def record_attempt(self, name: str, source: str, *, unchanged: bool, solved: bool) -> None:
        """Record one grading; an unchanged or already graded program is not a new attempt."""
        entry = self.entry(name)
        digest = hashlib.sha256(source.encode()).hexdigest()
        if digest != entry.last and not unchanged:
            entry.attempts += 1
        entry.last = digest
        if solved and entry.state is not State.SOLVED:
            entry.state, entry.solved_at = State.SOLVED, entry.attempts

    def state(self, name: str) -> State:
        """Return the state of a case."""
        entry = self.cases.get(name)
        return entry.state if entry else State.NEW

    def report(self, names: list[str]) -> list[dict[str, Any]]:
        """Return a row per case for a teacher."""
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
    """Return the progress stored in `folder`; raises UsageError if the file is damaged."""
    path = folder / NAME
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return Progress()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path}: {error}: correct the file, or delete it to start again"
        raise UsageError(message) from None
    if found.version != Progress().version:
        message = (
            f"{path}: version {found.version} is from another release: "
            "delete the file to start again"
        )
        raise UsageError(message)
    return found


def merge(own: Progress, before: Progress, stored: Progress) -> None:
    """Add to `own` what other sessions stored since this one last knew the file as `before`.

    On a case on which both worked, the further progress counts. A case that this session has
    reset since stays as it is here; one that another session has reset is forgotten here too.
    """
    for name in before.cases.keys() - stored.cases.keys():
        if own.cases.get(name) == before.cases[name]:
            del own.cases[name]
    for name, entry in stored.cases.items():
        known = before.cases.get(name)
        if entry == known:
            continue
        here = own.cases.get(name)
        if here is None or here == known:
            own.cases[name] = entry
        else:
            own.cases[name] = max(here, entry, key=_reached)


def _reached(entry: Entry) -> tuple[bool, int, int]:
    return entry.state is State.SOLVED, entry.attempts, entry.hints


def write(folder: Path, progress: Progress) -> None:
    """Store `progress` in `folder`."""
    files.write(folder / NAME, f"{as_json(progress)}\n")
