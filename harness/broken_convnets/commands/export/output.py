"""Write files that must not exist yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.errors import UsageError
from broken_convnets.util import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def require_new(paths: Iterable[Path]) -> None:
    """Raise UsageError if one of the files exists."""
    for path in paths:
        if path.exists():
            message = f"{path} exists already: delete it, or name another file with --out"
            raise UsageError(message)


def write_new(texts: Mapping[Path, str]) -> list[Path]:
    """Write new files, and return their paths.

    Raises UsageError if one of them exists, before anything is written, or cannot be written.
    """
    require_new(texts)
    for path, text in texts.items():
        try:
            files.write(path, text)
        except OSError as error:
            message = f"{path} cannot be written ({error.strerror}): name another file with --out"
            raise UsageError(message) from None
    return list(texts)
