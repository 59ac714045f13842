"""Print a value as one indented JSON document."""

from __future__ import annotations

import msgspec


def as_json(value: object) -> str:
    """Return `value` as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def print_json(value: object) -> None:
    """Print `value` as one indented JSON document."""
    print(as_json(value))
