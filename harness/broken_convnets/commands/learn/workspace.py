"""The learner's folder: copies of the broken programs, backups, and the progress."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from broken_convnets.commands.learn import progress
from broken_convnets.commands.learn.ordering import alias
from broken_convnets.errors import UsageError
from broken_convnets.util import files
from broken_convnets.util.locks import locked

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.corpus.entries import Case

MAX_BYTES = 256 << 10  # of a program; a case has about two thousand


class Workspace:
    """One `work/` folder. Its own .gitignore hides it from the repository around it."""

    def __init__(self, folder: Path) -> None:
        """Read the progress, if there is any; raises UsageError if `folder` cannot be used."""
        self.folder = folder
        try:
            self.progress = progress.read(folder)
        except OSError as error:
            raise self._unusable(error) from None
        self._stored = deepcopy(self.progress)  # what this session knows of the file

    def _write(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            ignore = self.folder / ".gitignore"
            if not ignore.exists():
                files.write(ignore, "*\n")
            files.write(path, text)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            f"{self.folder} cannot be used ({error.strerror}): name another folder with --work"
        )

    def path(self, case: Case) -> Path:
        """Return the path of the learner's program."""
        return self.folder / f"{alias(case)}.py"

    def begin(self, case: Case) -> Path:
        """Make `case` the current one, and copy its broken program unless there is a file."""
        path = self.path(case)
        if not path.exists():
            self._write(path, case.broken)
        self.progress.entry(case.id)
        self.progress.current = case.id
        self.save()
        return path

    def read(self, case: Case) -> str:
        """Return the learner's program; raises UsageError if it cannot be read as UTF-8."""
        path = self.path(case)
        try:
            if path.stat().st_size > MAX_BYTES:
                message = f"{path} is larger than {MAX_BYTES >> 10} KiB: make the program smaller"
                raise UsageError(message)
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            message = f"{path} is not UTF-8: save it as UTF-8"
        except OSError as error:
            advice = "restore it with --reset, or press x in a session"
            message = f"{path} cannot be read ({error.strerror}): {advice}"
        raise UsageError(message)

    def reset(self, case: Case) -> Path | None:
        """Restore the broken program and forget the progress on the case.

        Returns the path of the backup, which replaces an older one; None if the file did not
        differ from the broken program.
        """
        path, backup = self.path(case), None
        if path.exists() and path.read_bytes() != case.broken.encode():
            backup = path.with_suffix(".py.bak")
            path.replace(backup)
        self._write(path, case.broken)
        self.progress.cases.pop(case.id, None)
        self.save()
        return backup

    def refresh(self) -> None:
        """Read what other sessions in the same folder have stored or reset since."""
        stored = progress.read(self.folder)
        progress.merge(self.progress, self._stored, stored)
        self._stored = deepcopy(stored)

    def save(self) -> None:
        """Write the progress of this session and of others in the same folder."""
        try:
            with locked(self.folder):
                self.refresh()
                progress.write(self.folder, self.progress)
        except OSError as error:
            raise self._unusable(error) from None
        self._stored = deepcopy(self.progress)
