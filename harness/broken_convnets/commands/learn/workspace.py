"""The folder in which a learner mends programs: copies of cases, backups and the progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn import progress
from broken_convnets.commands.learn.ordering import alias
from broken_convnets.errors import UsageError
from broken_convnets.util import files

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.corpus.entries import Case

SIZE = 256 << 10  # bytes; a case has two thousand


class Workshop:
    """One `work/` folder; git ignores it by a file of its own, in whatever repository it is."""

    def __init__(self, folder: Path) -> None:
        """Read what was kept there, if it is there; raises UsageError where that is impossible."""
        self.folder = folder
        try:
            self.progress = progress.read(folder)
        except OSError as error:
            raise self._unusable(error) from None

    def _put(self, path: Path, text: str) -> None:
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
            f"{self.folder} cannot be used ({error.strerror}): name another with --work"
        )

    def path(self, case: Case) -> Path:
        """Return where the learner's program is."""
        return self.folder / f"{alias(case)}.py"

    def begin(self, case: Case) -> Path:
        """Put a copy of the broken program there, unless there is one; make it the current case."""
        path = self.path(case)
        if not path.exists():
            self._put(path, case.broken)
        self.progress.entry(case.id)
        self.progress.current = case.id
        self.save()
        return path

    def read(self, case: Case) -> str:
        """Return the learner's text; raises UsageError where it cannot be read as text."""
        path = self.path(case)
        try:
            if path.stat().st_size > SIZE:
                message = f"{path} is larger than {SIZE >> 10} KiB: that is no program to mend"
                raise UsageError(message)
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            message = f"{path} is not UTF-8: save it as UTF-8"
        except OSError as error:
            message = f"{path} cannot be read ({error.strerror}): `--reset` puts the case back"
        raise UsageError(message)

    def reset(self, case: Case) -> Path | None:
        """Put the broken program back and forget its story; return where the old text is kept.

        One backup a case: the last one. None where there was nothing to keep.
        """
        path, backup = self.path(case), None
        if path.exists() and path.read_bytes() != case.broken.encode():
            backup = path.with_suffix(".py.bak")
            path.replace(backup)
        self._put(path, case.broken)
        self.progress.cases.pop(case.id, None)
        self.save()
        return backup

    def save(self) -> None:
        """Keep the progress."""
        progress.write(self.folder, self.progress)
