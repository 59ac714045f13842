"""Where commands read and write the results of a corpus.

A corpus in a checkout or in `--corpus DIR` is read and written in place. The corpus inside an
installed package is never modified: what a command writes goes to the user's data folder. Its
first write copies the results there, and from then on commands read that copy.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from broken_convnets.version import __version__

BUNDLED = Path(__file__).parents[1] / "bundled"  # exists only in an installed package


def root_to_write(root: Path) -> Path:
    """Return `root`, or for the bundled corpus the user's data folder, which may not exist yet."""
    return user_folder() if _is_bundled(root) else root


def results_to_read(root: Path) -> Path:
    """Return the folder with the results of the corpus at `root`."""
    own = root_to_write(root) / "results"
    return own if own.is_dir() else root / "results"


def results_to_write(root: Path) -> Path:
    """Return the folder for new results of the corpus at `root`.

    For the bundled corpus that is a copy of the results. Raises OSError if it cannot be written.
    """
    own = root_to_write(root) / "results"
    if _is_bundled(root) and not own.is_dir():
        own.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".results-", dir=own.parent) as folder:
            draft = Path(folder) / own.name
            shutil.copytree(root / "results", draft)
            with suppress(FileExistsError):  # another command has copied them
                draft.rename(own)
    return own


def user_folder() -> Path:
    """Return the user's data folder for this version of the package.

    It is not shared with other versions, which have other cases.
    """
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "broken-convnets" / __version__


def _is_bundled(root: Path) -> bool:
    return BUNDLED.is_dir() and root.resolve() == BUNDLED.resolve()
