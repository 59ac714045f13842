"""Read `--kinds`: the kinds of mistakes that the rules of a tool report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.errors import UsageError
from broken_convnets.util import files

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FORM = 'expected lines such as "F821" = "none/forward_missing_return"'


def read_kinds_of_rules(path: Path, known: Collection[str]) -> dict[str, str]:
    """Return the kind of each rule id in a TOML file.

    Raises UsageError, with the rule, for a kind that is not `known`, and for a file that cannot
    be read or is not a table of strings.
    """
    import tomllib  # noqa: PLC0415  (only where a file is read)

    try:
        table = tomllib.loads(files.read(path))
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise UsageError(message) from None
    except (ValueError, RecursionError) as error:  # not UTF-8, or not TOML
        message = f"{path}: {error}; {FORM}"
        raise UsageError(message) from None
    for rule, kind in table.items():
        if not isinstance(kind, str):
            message = f"{path}, {rule}: the kind is not a string; quote a rule with dots; {FORM}"
            raise UsageError(message)
        if kind not in known:
            message = (
                f"{path}, {rule}: unknown kind {kind[:80]!r}; use a kind that docs/coverage.md "
                "lists, its topic (the part before the slash), or 'other'"
            )
            raise UsageError(message)
    return table
