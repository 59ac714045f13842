"""Write a value as one indented JSON document, and print it."""

from __future__ import annotations

import msgspec


def as_json(value: object) -> str:
    """Return `value` as indented JSON; structs and dataclasses become objects."""
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def print_json(value: object) -> None:
    """Print `value` to stdout as one indented JSON document."""
    print(as_json(value), flush=True)
