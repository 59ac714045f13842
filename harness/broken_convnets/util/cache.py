"""Where work that could be done again is kept between runs."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from broken_convnets.util import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Made = TypeVar("Made")
DIGEST = 32  # bytes


def folder(name: str) -> Path:
    """Return a folder of the user's cache, made where it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(base) / "broken-convnets" / name
    found.mkdir(parents=True, exist_ok=True)
    return found


def remembered(
    name: str,
    sources: Callable[[], Iterable[bytes]],
    schema: type[Made],
    make: Callable[[], Made],
) -> Made:
    """Return what `make` gives, without calling it where the last call had the same `sources`.

    `sources` gives the content of all that the answer depends on, so that no date or size of a
    file is trusted. A cache that is damaged is made anew; one that cannot be used is done without.
    """
    try:
        path = folder(name) / "last"
    except (OSError, RuntimeError):  # it cannot be made, or the user has no home
        return make()
    key = digest(sources())
    with suppress(OSError, msgspec.DecodeError):
        return _held(path, key, schema)
    made = make()
    if digest(sources()) == key:  # nothing has changed meanwhile
        content = msgspec.msgpack.encode(made)
        with suppress(OSError):
            files.write_bytes(path, key + digest([content]) + content)
    return made


def _held(path: Path, key: bytes, schema: type[Made]) -> Made:
    """Return what a file holds under a key; raises OSError or DecodeError for anything else."""
    whole = path.read_bytes()
    content = whole[2 * DIGEST :]
    if whole[: 2 * DIGEST] != key + digest([content]):
        raise msgspec.DecodeError
    return msgspec.msgpack.decode(content, type=schema)


def digest(parts: Iterable[bytes]) -> bytes:
    """Return a hash of DIGEST bytes of several contents, each taken as a whole."""
    state = hashlib.blake2b(digest_size=DIGEST)
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()
