"""Keep what was found about programs in the user's cache folder, so that a run can resume."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct

from broken_convnets.corpus.spec import Broken, Healthy
from broken_convnets.util import files
from broken_convnets.util.code_hash import code_hash

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.observe.facts import RuntimeInfo


class OriginalCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """What runs of a healthy program showed: why it is rejected, or what it declares."""

    reason: str = ""
    healthy: Healthy | None = None
    lines: list[int] = []  # that run
    same_shape: list[str] = []  # layers with parameters that return the shape of their input


class BrokenCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """What runs of a broken program showed: why it is rejected, or how it fails."""

    reason: str = ""
    broken: Broken | None = None
    non_finite: bool = False  # whether it returns NaN or infinity


Check = TypeVar("Check", OriginalCheck, BrokenCheck)


class CheckStore:
    """A folder with a small file per check, named by a hash of everything it depends on."""

    def __init__(self, folder: Path, runtime: RuntimeInfo) -> None:
        """Store what is found with these releases and this version of the package."""
        releases = (runtime.torch, runtime.torchvision, runtime.python)
        self._folder = folder
        self._base = hashlib.sha256(repr((releases, code_hash())).encode())

    def get(self, schema: type[Check], *key: str) -> Check | None:
        """Return a stored check; None if it is missing or damaged."""
        try:
            return msgspec.json.decode(self._path(schema, key).read_bytes(), type=schema)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def put(self, check: Check, *key: str) -> None:
        """Store a check; a folder that cannot be written to is ignored."""
        path = self._path(type(check), key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, msgspec.json.encode(check, order="deterministic").decode())

    def _path(self, schema: type[Check], key: tuple[str, ...]) -> Path:
        digest = self._base.copy()
        digest.update(msgspec.json.encode((schema.__name__, key)))
        name = digest.hexdigest()[:40]
        return self._folder / name[:2] / f"{name}.json"
