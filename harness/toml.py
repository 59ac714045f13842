"""The reader of TOML: the compiled one, or else the standard library's, four times as slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tomllib import TOMLDecodeError, loads
else:
    try:
        from tomli import TOMLDecodeError, loads
    except ModuleNotFoundError:  # an environment older than this dependency
        from tomllib import TOMLDecodeError, loads

__all__ = ["TOMLDecodeError", "loads"]
