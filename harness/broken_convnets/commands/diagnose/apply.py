"""Write a verified fix to the user's files, with a backup of each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.util import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.diagnosis import Diagnosis


def apply_best_fix(diagnosis: Diagnosis, since: float) -> Iterator[str]:
    """Write the first verified fix, and yield a sentence for each file, or one that says why not.

    `since` is when the program was started, in seconds since the epoch: a file that has changed
    after that is not replaced. All backups exist before the first file is replaced, and each file
    is replaced in one step. Raises OSError if a file cannot be written.
    """
    fixes = [fix for found in diagnosis.findings for fix in diagnosis.fixes_of(found)]
    best = next((fix for fix in fixes if fix.verified), None)
    if best is None:
        yield "nothing applied: there is no verified fix"
        return
    paths = {Path(name): text for name, text in best.patch.items()}
    if changed := [str(path) for path in paths if path.stat().st_mtime > since]:
        yield f"nothing applied: {', '.join(changed)} has changed since the program was started"
        return
    backups = {path: _backed_up(path) for path in paths}
    for path, text in paths.items():
        _replace(path, text)
        yield f"changed {path}; the previous text is in {backups[path]}"


def _backed_up(path: Path) -> Path:
    """Copy a file to FILE.orig, or to the first FILE.orig.N that does not exist yet."""
    backup, number = path.with_name(f"{path.name}.orig"), 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.orig.{number}")
    shutil.copy2(path, backup)
    return backup


def _replace(path: Path, text: str) -> None:
    """Replace the text of a file; its line ends, its permissions and a link to it stay."""
    target = path.resolve()
    mode = target.stat().st_mode
    content = text.encode()
    if b"\r\n" in target.read_bytes():
        content = content.replace(b"\n", b"\r\n")
    files.write_bytes(target, content)
    target.chmod(mode)
