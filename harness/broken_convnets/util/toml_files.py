"""Read and write TOML files as msgspec structs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from broken_convnets.errors import RecordError
from broken_convnets.util import files

if TYPE_CHECKING:
    from pathlib import Path

Schema = TypeVar("Schema", bound=msgspec.Struct)


def read_toml(path: Path, schema: type[Schema], remedy: str) -> Schema:
    """Return the content of a TOML file as a struct.

    Raises RecordError, with the path and the remedy, for a file that is not UTF-8, not TOML that
    can be read, or not of that schema, and OSError for a file that cannot be read.
    """
    import tomllib  # noqa: PLC0415  (only where a file is read)

    try:
        return msgspec.convert(tomllib.loads(files.read(path)), schema)
    except (ValueError, RecursionError) as error:  # a huge number or deep arrays, for example
        message = f"{path}: {error}; {remedy}"
        raise RecordError(message) from None


def write_toml(path: Path, value: msgspec.Struct) -> None:
    """Write a struct as TOML, and the folders above the file; the same value, the same bytes."""
    import tomli_w  # noqa: PLC0415  (likewise)

    path.parent.mkdir(parents=True, exist_ok=True)
    text = tomli_w.dumps(msgspec.to_builtins(value, str_keys=True), multiline_strings=True)
    files.write(path, text)
