"""A batch that is a mapping is read by its keys: unpacking it like a tuple returns the keys."""

from __future__ import annotations

import ast
import difflib
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loaders.unpacking import keys_of, unpacking_of
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loaders.unpacking import Unpacking

SIMILAR = 0.6  # of the name of a variable and a key, from 0 to 1


@rule(
    "a batch that is a mapping is read by its keys",
    stays_quiet="about mappings whose keys are no strings, and about batches that a collate "
    "function of the program puts together",
)
def keys_unpacked(evidence: Evidence) -> Iterator[Finding]:
    """Find `for image, label in loader` where each batch is a dict: both names are its keys."""
    frame = require_failure(evidence)
    known = _unpacked(evidence) or _of_other_length(evidence)
    if known is None:
        return
    name, found, keys = known
    listed = ", ".join(map(repr, keys[:6]))
    what = f"`{name}` is the key {name_key(found, name, keys)!r}" if name else "its keys"
    yield Finding(
        kind="none/non_tensor_input",
        message=f"{what}: `{', '.join(found.names)}` unpacks a mapping, which yields its keys"
        if name
        else f"`{', '.join(found.names)}` unpacks a mapping, which yields its {len(keys)} keys",
        evidence=f"{'each batch' if found.looped else 'the value'} has the keys {listed}; "
        "read the values by their keys",
        cause=location_in(found.source, found.statement),
        symptom=frame_location(frame),
        subject=name or ", ".join(found.names),
        cases=("none/labels_left_in_batch",),
        candidates=candidates((0, partial(_by_keys, found, keys))),
        confidence=11,
    )


def _unpacked(evidence: Evidence) -> tuple[str, Unpacking, list[str]] | None:
    """Return a variable of the failing expression that is a key, and what unpacked the keys."""
    for index, frame in enumerate(evidence.frames):
        for node in ast.walk(frame.expression) if frame.expression else ():
            if not isinstance(node, ast.Name) or not isinstance(frame.value(node), str):
                continue
            origin = origin_of(evidence, index, node)
            found = unpacking_of(origin.source, origin.statement)
            if found is None or origin.item is None:
                continue
            outer = [i for i, f in enumerate(evidence.frames) if f.scope is origin.scope]
            keys = keys_of(evidence, outer[0], found) if outer else []
            if name_key(found, node.id, keys) == frame.value(node):
                return node.id, found, keys
    return None


def _of_other_length(evidence: Evidence) -> tuple[str, Unpacking, list[str]] | None:
    """Return the statement that could not unpack a mapping into as many names."""
    frame = evidence.frames[0]
    if not isinstance(evidence.error, ValueError) or " to unpack" not in evidence.message:
        return None
    found = unpacking_of(frame.source, frame.statement, frame.expression)
    keys = keys_of(evidence, 0, found) if found and not found.numbered else []
    return ("", found, keys) if found and keys and len(keys) != len(found.names) else None


def name_key(found: Unpacking, name: str, keys: list[str]) -> str:
    """Return the key that a variable received; empty if it is none of the unpacked ones."""
    position = found.names.index(name) if name in found.names else len(keys)
    return keys[position] if position < len(keys) else ""


def _by_keys(found: Unpacking, keys: list[str]) -> Patch:
    """Return the change that reads each value by the key that is most similar to its name."""
    source, statement = found.source, found.statement
    owner = "batch" if found.looped else source.text_of(found.value)
    chosen = _chosen(found.names, keys)
    if isinstance(statement, ast.For) and any(
        isinstance(n, ast.Name) and n.id == owner for n in ast.walk(statement)
    ):
        owner = "sample"
    values = ", ".join(f"{owner}[{_quoted(key)}]" for key in chosen)
    names = ", ".join(found.names[: len(chosen)])
    if isinstance(statement, ast.Assign):
        return edits.replace(source, [(statement, f"{names} = {values}")])
    first = statement.body[0]
    indent = edits.indentation(source, first)
    text = f"{names} = {values}\n{indent}{source.text_of(first)}"
    return edits.replace(source, [(found.target, owner), (first, text)])


def _quoted(key: str) -> str:
    return f'"{key}"' if key.isprintable() and '"' not in key and "\\" not in key else repr(key)


def _chosen(names: list[str], keys: list[str]) -> list[str]:
    """Return a key for each name: the similar one, else the next that is left."""
    similar = [difflib.get_close_matches(n.lower(), keys, 1, SIMILAR) for n in names]
    flat = [one[0] for one in similar if one]
    if len(flat) != len(set(flat)):
        return keys[: len(names)]
    left = iter([key for key in keys if key not in flat])
    chosen = [one[0] if one else next(left, "") for one in similar]
    return [key for key in chosen if key]
