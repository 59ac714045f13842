"""Read the corpus as it was at another git commit."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.corpus import entries as corpora
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus


def corpus_at(corpus: Corpus, revision: str) -> Corpus:
    """Return the corpus of the same folder at `revision`.

    Raises UsageError if the folder is not in a repository, or the commit does not exist.
    """
    root = str(corpus.root.resolve())
    # --end-of-options: a text that begins with a dash is a wrong revision, not an option.
    known = _git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if known is None:
        message = f"{revision!r} is not a commit of a git repository at {corpus.root}"
        raise UsageError(message)
    archive = _git(root, "archive", "--format=tar", known.decode().strip(), ".")
    if archive is None:
        message = f"git cannot read {corpus.root} at {revision!r}"
        raise UsageError(message)
    with tempfile.TemporaryDirectory(prefix="broken-convnets-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            opened.extractall(folder, filter="data")
        return corpora.load(Path(folder))


def _git(root: str, *arguments: str) -> bytes | None:
    """Return the output of git; None if it fails or is not installed."""
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
