"""Remember verifications in the user's cache, so that none is done twice; losing it costs time."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.corpus.spec import Broken, Healthy
from broken_convnets.util import files
from broken_convnets.util.code_hash import code_hash

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.variants.make import Variant
    from broken_convnets.observe.facts import RuntimeInfo


class Result(Struct, frozen=True, forbid_unknown_fields=True):
    """What a verification came to; for a variant that is kept, what it then declares."""

    kept: bool
    reason: str = ""
    broken: Broken | None = None
    healthy: Healthy | None = None


class Store:
    """A folder with a small file for each verification, named by all that it depends on."""

    def __init__(self, folder: Path, runtime: RuntimeInfo, device: str) -> None:
        """Keep what is found under one release of torch and on one device."""
        self._folder = folder
        releases = (runtime.torch, runtime.torchvision, runtime.python, device)
        self._base = hashlib.sha256(repr((releases, code_hash())).encode())

    def get(self, variant: Variant, runs: int) -> Result | None:
        """Return what is known of a variant; None for nothing, or for a file that is damaged."""
        try:
            return msgspec.json.decode(self._path(variant, runs).read_bytes(), type=Result)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def put(self, variant: Variant, runs: int, result: Result) -> None:
        """Keep what was found; a folder that cannot be written to is no reason to stop."""
        path = self._path(variant, runs)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, msgspec.json.encode(result, order="deterministic").decode())

    def _path(self, variant: Variant, runs: int) -> Path:
        asked = (
            variant.entry.programs(),
            variant.entry.spec,
            variant.transformations,
            variant.names,
            variant.resized,
            runs,
        )
        digest = self._base.copy()
        digest.update(msgspec.json.encode(asked, order="deterministic"))
        name = digest.hexdigest()[:40]
        return self._folder / name[:2] / f"{name}.json"
