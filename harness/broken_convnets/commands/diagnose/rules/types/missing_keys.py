"""A key that is read is one that the mapping has."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

SIMILAR = 0.6  # of two keys, from 0 to 1
SHORT = 2  # letters, of which other ones are no slip


@rule(
    "a key that is read is a key of the mapping",
    stays_quiet="unless exactly one key of the mapping is similar",
)
def key_is_misspelled(evidence: Evidence) -> Iterator[Finding]:
    """Find `batch["labels"]` where the key is "label"."""
    frame = require_failure(evidence, KeyError)
    node = frame.expression
    owner = frame.value(node.value) if isinstance(node, ast.Subscript) else None
    if not isinstance(node, ast.Subscript) or not isinstance(owner, Mapping | nn.ModuleDict):
        return
    key, keys = frame.value(node.slice), [one for one in owner if isinstance(one, str)]
    if not isinstance(key, str) or key in keys:
        return
    near = _similar(key, keys)
    origin = origin_of(evidence, 0, node.slice)
    if near is None or not isinstance(origin.node, ast.Constant) or origin.node.value != key:
        return
    text = shortened(frame.source.text_of(node.value))
    listed = ", ".join(map(repr, keys[:8]))
    fix = partial(edits.replace, origin.source, [(origin.node, _quoted(near))])
    yield Finding(
        kind="data",
        message=f"`{text}` has no key {key!r}; it has {near!r}",
        evidence=f"its keys are {listed}",
        cause=origin_location(origin),
        symptom=frame_location(frame),
        subject=f"{text}[{key!r}]",
        candidates=candidates((0, fix)),
        confidence=9,
    )


def _similar(key: str, keys: list[str]) -> str | None:
    """Return the only similar key; None if there are several or none."""
    same = [one for one in keys if one.lower() == key.lower()]
    if len(same) == 1:
        return same[0]
    plain = [one for one in keys if _plain(one) == _plain(key)]
    if len(plain) == 1:
        return plain[0]
    near = difflib.get_close_matches(key, keys, 2, SIMILAR) if len(key) > SHORT else []
    if not near or any(char.isdigit() for char in key + near[0]):
        return None
    ratios = [difflib.SequenceMatcher(None, key, one).ratio() for one in near]
    clear = len(near) == 1 or ratios[0] - ratios[1] > 0.1  # noqa: PLR2004  (clearly closer)
    return near[0] if clear else None


def _plain(key: str) -> str:
    return "".join(char for char in key.lower() if char.isalnum()).removesuffix("s")


def _quoted(key: str) -> str:
    return f'"{key}"' if key.isprintable() and '"' not in key and "\\" not in key else repr(key)


@rule(
    "a mapping is read by its keys, not by position",
    stays_quiet="about mappings that have a key of another type than str",
)
def mapping_read_by_position(evidence: Evidence) -> Iterator[Finding]:
    """Find `batch[0]` where the batch is a dict with the keys "image" and "label"."""
    frame = require_failure(evidence, KeyError)
    node = frame.expression
    owner = frame.value(node.value) if isinstance(node, ast.Subscript) else None
    if not isinstance(node, ast.Subscript) or not isinstance(owner, Mapping):
        return
    position, keys = frame.value(node.slice), [one for one in owner if isinstance(one, str)]
    if type(position) is not int or not keys or len(keys) < len(owner):
        return
    text = shortened(frame.source.text_of(node.value))
    chosen = keys[position : position + 1] if position >= 0 else []
    attempts = [
        (0, partial(edits.replace, frame.source, [(node.slice, _quoted(key))])) for key in chosen
    ]
    yield Finding(
        kind="data",
        message=f"`{text}` is a {type(owner).__name__}, which has no item {position}: read it by "
        "its keys",
        evidence=f"its keys are {', '.join(map(repr, keys[:8]))}",
        cause=frame_location(frame),
        symptom=frame_location(frame),
        subject=f"{text}[{position}]",
        candidates=candidates(*attempts),
        confidence=9,
    )
