"""A container of layers that has no forward of its own is not called, nor are its keys."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
)
from broken_convnets.commands.diagnose.analysis.user_frames import value_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.modules.forward import CONTAINERS, has_no_forward
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.observe.recorder.passes import running_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Construction

Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "the layers of a ModuleList are called one by one, not the list itself",
    stays_quiet="about containers that have a forward method",
)
def called_container(evidence: Evidence) -> Iterator[Finding]:
    """Find calls of a ModuleList or ModuleDict itself."""
    frame = require_failure(evidence, NotImplementedError)
    running = running_modules(evidence.error) if evidence.error else []
    module, call = (running[-1] if running else None), frame.call
    if not isinstance(module, CONTAINERS) or call is None or not has_no_forward(module):
        return
    text = frame.source.text_of(call.func)
    built = evidence.record.construction(module)
    chain = built is not None and bool(built.places) and _is_chain(evidence, module, built)
    attempts = [
        *_loops(frame, call, text, rank=int(chain)),
        *_sequential(evidence, module, int(not chain)),
    ]
    yield Finding(
        kind="training/modulelist_called",
        message=f"`{text}` is a {type(module).__name__} and cannot be called",
        evidence=f"it holds {len(module)} layers and does not say in which order they run: call "
        "them one by one, or use nn.Sequential",
        cause=location(built.places) if built and chain else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        cases=("module/called_modulelist",),
        candidates=candidates(*attempts),
        confidence=10,
    )


def _is_chain(evidence: Evidence, module: nn.Module, built: Construction) -> bool:
    """Return whether a list of layers was meant as a Sequential, and not to be looped over.

    It has the operators between its layers too, its layers were appended to a list one by one,
    or one line constructs several of these lists.
    """
    site = site_of(evidence, built.places)
    collected = site is not None and _is_collected(site)
    between = any(not list(child.parameters()) for child in module.children())
    made = [one.identity for one in evidence.record.constructions if one.places == built.places]
    same_line = [one for one in evidence.record.constructions if one.places[:1] == built.places[:1]]
    lists = {one.identity for one in same_line if one.type == built.type}
    several = len(lists) > len(set(made))
    return isinstance(module, nn.ModuleList) and (between or collected or several)


def _is_collected(site: Site) -> bool:
    """Return whether the argument is a list that the function has appended to."""
    listed = next(iter(site.call.args), None)
    function = site.source.function_of(site.call)
    return isinstance(listed, ast.Name) and any(
        isinstance(node, ast.Call)
        and site.source.text_of(node.func) in {f"{listed.id}.append", f"{listed.id}.extend"}
        for node in ast.walk(function or site.source.tree)
    )


def _loops(frame: UserFrame, call: ast.Call, text: str, rank: int) -> Iterator[Attempt]:
    statement, source = frame.statement, frame.source
    if not isinstance(statement, ast.Assign | ast.Return) or statement.value is not call:
        return
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if len(call.args) != 1 or not (target is None or isinstance(target, ast.Name)):
        return
    value = source.text_of(call.args[0])
    name = target.id if isinstance(target, ast.Name) else "x"
    space = edits.indentation(source, statement)
    lines = [] if name == value else [f"{name} = {value}"]
    lines += [f"for layer in {text}:", f"    {name} = layer({name})"]
    lines += ["return x"] if target is None else []
    yield rank, partial(edits.replace, source, [(statement, f"\n{space}".join(lines))])


def _sequential(evidence: Evidence, module: nn.Module, rank: int) -> Iterator[Attempt]:
    built = evidence.record.construction(module)
    site = site_of(evidence, built.places) if built else None
    if site is None or len(site.call.args) != 1 or not isinstance(module, nn.ModuleList):
        return
    layers = site.call.args[0]
    text = site.source.text_of(layers)
    inside = (
        ", ".join(map(site.source.text_of, layers.elts)) if isinstance(layers, ast.List) else ""
    )
    new = f"nn.Sequential({inside or f'*{text}'})"
    yield rank, partial(edits.replace, site.source, [(site.call, new)])


@rule(
    "a loop over the layers of a ModuleDict takes its values",
    stays_quiet="about strings that come from anywhere else",
)
def keys_called(evidence: Evidence) -> Iterator[Finding]:
    """Find loops over a ModuleDict or a dict of layers, which yield its keys."""
    frame = require_failure(evidence, TypeError)
    for one in evidence.culprits:
        node, source = one.origin.node, one.origin.source
        if one.type != "str" or not one.called or not one.origin.looped:
            continue
        if not isinstance(value_of(node, one.origin.scope), nn.ModuleDict | dict):
            continue
        text = source.text_of(node)
        values = partial(edits.replace, source, [(node, f"{text}.values()")])
        yield Finding(
            kind="training/modulelist_called",
            message=f"`{one.text}` is a key of `{text}`, not a layer",
            evidence=f"a loop over a {type(value_of(node, one.origin.scope)).__name__} yields its "
            "keys; `.values()` yields the layers",
            cause=origin_location(one.origin),
            symptom=frame_location(frame),
            subject=one.text,
            candidates=candidates((0, values)),
            confidence=10,
        )
        return
