"""A file is loaded with the safety and on the device that fit what it holds."""

from __future__ import annotations

import ast
import pickle
import re
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.culprits import find_culprits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

GLOBAL = re.compile(r"GLOBAL ([\w.]+) was not an allowed global")
Attempt = tuple[int, "Callable[[], Patch]"]


def _loads_file(frame: UserFrame) -> ast.Call | None:
    call = frame.call
    return call if call is not None and frame.value(call.func) is torch.load else None


@rule(
    "a file holds nothing but tensors and plain values, or is loaded with weights_only=False",
    stays_quiet="about files that are not readable at all",
)
def weights_only_refuses(evidence: Evidence) -> Iterator[Finding]:
    """Find networks and NumPy values in files that torch.load reads with weights_only."""
    frame = require_failure(evidence, pickle.UnpicklingError)
    call = _loads_file(frame)
    if call is None or "eights" not in evidence.message:
        return
    found = next(_unsafe_saves(evidence, frame), None)
    refused = GLOBAL.search(evidence.message)
    other = refused[1].rpartition(".")[2] if refused else "an object"
    what = shortened(found[0].text_of(found[1])) if found else other
    yield Finding(
        kind="state/weights_only",
        message=f"torch.load refuses `{what}`: since torch 2.6 it loads only tensors and plain "
        "values",
        evidence="save net.state_dict() and plain numbers; weights_only=False can run code from "
        "the file, so use it only for files that you trust",
        cause=Location(found[0].path, found[1].lineno) if found else frame_location(frame),
        symptom=frame_location(frame),
        subject=shortened(frame.source.text_of(call)),
        cases=("state/weights_only_pickled_network",),
        candidates=candidates(*_safe(evidence, frame, call, found)),
        confidence=10,
    )


def _saves(evidence: Evidence) -> Iterator[tuple[Source, ast.Call]]:
    for source in {frame.source.path: frame.source for frame in evidence.frames}.values():
        for node in source.expressions:
            is_save = isinstance(node, ast.Call) and called_name(node) == "save"
            if is_save and isinstance(node, ast.Call) and node.args:
                yield source, node


def _unsafe_saves(evidence: Evidence, frame: UserFrame) -> Iterator[tuple[Source, ast.expr]]:
    for source, call in _saves(evidence):
        node = _unsafe(frame, source, call)
        if node is not None:
            yield source, node


def _unsafe(frame: UserFrame, source: Source, call: ast.Call) -> ast.expr | None:
    """Return the part of what is saved that is not a tensor or a plain value."""
    data = call.args[0]
    parts = data.values if isinstance(data, ast.Dict) else [data]
    for part in parts:
        value = frame.value(part) if source is frame.source else None
        if isinstance(value, nn.Module):
            return part
        if isinstance(part, ast.Call) and source.text_of(part.func).startswith(("np.", "numpy.")):
            return part
    return None


def _safe(
    evidence: Evidence, frame: UserFrame, call: ast.Call, found: tuple[Source, ast.expr] | None
) -> Iterator[Attempt]:
    """Yield the changes that save plain values, then the one that trusts the file."""
    if found is not None and isinstance(found[1], ast.Call):
        text = f"float({found[0].text_of(found[1])})"
        yield 0, partial(edits.replace, found[0], [(found[1], text)])
    elif found is not None and found[0] is frame.source:
        yield from _state_instead(evidence, frame, call, found[1])
    yield 1, partial(edits.set_argument, frame.source, call, "weights_only", None, "False")


def _state_instead(
    evidence: Evidence, frame: UserFrame, call: ast.Call, node: ast.expr
) -> Iterator[Attempt]:
    """Yield the change that saves the state, and builds the network before it loads."""
    source, statement = frame.source, frame.statement
    network = frame.value(node)
    built = evidence.record.construction(network)
    site = site_of(evidence, built.places) if built else None
    if site is None or not isinstance(statement, ast.Assign) or statement.value is not call:
        return
    target, space = source.text_of(statement.targets[0]), edits.indentation(source, statement)
    new = site.source.text_of(site.call)
    lines = f"{target} = {new}\n{space}{target}.load_state_dict({source.text_of(call)})"
    saved = (node, f"{source.text_of(node)}.state_dict()")
    yield 0, partial(edits.replace, source, [saved, (statement, lines)])


@rule(
    "a file that was saved on an accelerator is loaded with map_location",
    stays_quiet="about files whose device is available",
)
def load_without_map_location(evidence: Evidence) -> Iterator[Finding]:
    """Find torch.load of a file from a device that this machine does not have."""
    frame = require_failure(evidence, RuntimeError)
    call = _loads_file(frame)
    if call is None or "deserialize" not in evidence.message:
        return
    change = partial(edits.set_argument, frame.source, call, "map_location", 1, '"cpu"')
    yield Finding(
        kind="device/load_without_map_location",
        message="the file was saved on a device that is not available here",
        evidence=f"`{shortened(frame.source.text_of(call))}` puts each tensor back on its device, "
        "unless map_location names another one",
        cause=frame_location(frame),
        subject=frame.source.text_of(call),
        candidates=candidates((0, change)),
        confidence=10,
    )


@rule(
    "a loaded state_dict is loaded into a network before that is used",
    stays_quiet="about mappings that do not come from a file or from state_dict()",
)
def state_used_as_network(evidence: Evidence) -> Iterator[Finding]:
    """Find state_dicts that are called or put into eval mode like a network."""
    frame = require_failure(evidence, AttributeError, TypeError)
    for one in find_culprits(evidence):
        node = one.origin.node
        if one.type not in {"OrderedDict", "dict"} or not isinstance(node, ast.Call):
            continue
        if called_name(node) not in {"load", "state_dict"}:
            continue
        text = shortened(one.origin.source.text_of(node))
        yield Finding(
            kind="state/state_dict_mismatch",
            message=f"`{one.text}` is a state_dict, not a network",
            evidence=f"`{text}` returns tensors by name: build the network first, and load them "
            "with load_state_dict()",
            cause=origin_location(one.origin),
            symptom=frame_location(frame),
            subject=one.text,
            confidence=10,
        )
        return
