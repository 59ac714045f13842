"""JSON Schemas of structs, the same text with every release of msgspec."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec


def definitions(*types: type) -> dict[str, Any]:
    """Return the schemas (2020-12) of `types` and of all that they contain, by name.

    A docstring becomes a description without its indentation: msgspec keeps the indentation before
    release 0.23 and removes it since.
    """
    _, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return components
