"""Cache verifications in the user's cache folder, so that none is repeated."""

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


class Verification(Struct, frozen=True, forbid_unknown_fields=True):
    """The outcome of a verification; for a verified variant, what it declares."""

    verified: bool
    reason: str = ""
    broken: Broken | None = None
    healthy: Healthy | None = None


class VerificationCache:
    """A folder with a small file per verification, named by a hash of everything it depends on."""

    def __init__(self, folder: Path, runtime: RuntimeInfo, device: str) -> None:
        """Cache what is found with one release of torch on one device."""
        self._folder = folder
        releases = (runtime.torch, runtime.torchvision, runtime.python, device)
        self._base = hashlib.sha256(repr((releases, code_hash())).encode())

    def get(self, variant: Variant, runs: int) -> Verification | None:
        """Return the cached verification of a variant; None if it is missing or damaged."""
        try:
            return msgspec.json.decode(self._path(variant, runs).read_bytes(), type=Verification)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def put(self, variant: Variant, runs: int, result: Verification) -> None:
        """Cache what was found; a folder that cannot be written to is ignored."""
        path = self._path(variant, runs)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, msgspec.json.encode(result, order="deterministic").decode())

    def _path(self, variant: Variant, runs: int) -> Path:
        dependencies = (
            variant.entry.programs(),
            variant.entry.spec,
            variant.transformations,
            variant.names,
            variant.resized,
            runs,
        )
        digest = self._base.copy()
        digest.update(msgspec.json.encode(dependencies, order="deterministic"))
        name = digest.hexdigest()[:40]
        return self._folder / name[:2] / f"{name}.json"
