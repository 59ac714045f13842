"""Write a folder completely or not at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder to write to, which becomes `out` at the end.

    An exception leaves nothing behind. Raises UsageError if `out` exists and is not an empty
    folder, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        message = f"{out} already exists: pass a new or empty folder"
        raise UsageError(message)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as name:
            draft = Path(name) / "draft"
            draft.mkdir()
            yield draft
            if out.exists():
                out.rmdir()
            shutil.move(draft, out)
    except OSError as error:
        message = f"cannot write {out}: {error.strerror or error}"
        raise UsageError(message) from None
