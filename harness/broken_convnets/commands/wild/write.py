"""Write verified programs as a corpus folder that other commands read with `--corpus`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.variants.write import write_entry
from broken_convnets.commands.wild.report import Generation, document
from broken_convnets.errors import UsageError
from broken_convnets.util import files
from broken_convnets.util.json_output import as_json

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "wild.json"


def require_usable(folder: Path) -> None:
    """Raise UsageError unless a generation can be written to `folder`.

    It must be new or empty.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        message = f"--out {folder} is not an empty folder: name a new folder, or empty this one"
        raise UsageError(message)


def write_tree(folder: Path, generation: Generation) -> None:
    """Write every verified program, and then the manifest: without it, the folder is incomplete."""
    for one in generation.kept:
        assert one.case is not None  # noqa: S101  (it was kept)
        write_entry(folder, one.case.id, one.case)
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / MANIFEST, f"{as_json(document(generation))}\n")
