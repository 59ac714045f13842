"""Layers are constructed once, not in every forward pass."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import CalledModule, Construction


@rule(
    "layers that have parameters or depend on the mode are constructed outside of forward()",
    stays_quiet="about layers that are still part of a network at the end, as lazily built ones",
)
def layer_created_in_forward(evidence: Evidence) -> Iterator[Finding]:
    """Find layers that a forward pass constructs, calls and drops."""
    called = {id(one.module): one for one in evidence.record.called}
    seen: set[object] = set()
    for built in evidence.record.constructions:
        met = called.get(id(built.object))
        if not built.running or met is None or built.kind != "module" or built.places[:1] in seen:
            continue
        if built.object() is not None or not (met.has_parameters or met.depends_on_mode):
            continue
        seen.add(built.places[:1])
        yield _finding(evidence, built, met)


def _finding(evidence: Evidence, built: Construction, met: CalledModule) -> Finding:
    site = site_of(evidence, built.places)
    count = sum(1 for o in evidence.record.constructions if o.places[:1] == built.places[:1])
    why = (
        "its parameters are random each time, no optimizer has them, and no state_dict saves them"
        if met.has_parameters
        else "it is always in train mode: eval() does not reach it"
    )
    laws = (Law.DETERMINISTIC_IN_EVAL, Law.SAMPLES_INDEPENDENT, Law.STATE_ROUND_TRIPS)
    return Finding(
        kind="training/layer_created_in_forward",
        message=f"{built.type} is constructed in the forward pass of {built.running}",
        evidence=f"the line constructs {count} of them in "
        f"{evidence.record.passes.count} forward passes; {why}",
        violates=laws,
        cause=location(built.places),
        subject=built.places[0].text if built.places else built.type,
        cases=("module/layer_created_in_forward", "module/dropout_created_in_forward"),
        candidates=_repairs(site, built) if site else (),
        confidence=9,
    )


def _repairs(site: Site, built: Construction) -> tuple[Candidate, ...]:
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    outer = site.source.parent(site.call)
    if built.type == "Dropout" and isinstance(outer, ast.Call) and outer.func is site.call:
        attempts.append((1, partial(_functional, site, outer)))
    attempts.append((0, partial(_moved, site, built)))
    return candidates(*attempts)


def _functional(site: Site, outer: ast.Call) -> Patch:
    text, source = site.source.text_of, site.source
    rate = argument(site.call, "p", 0)
    value = text(rate) if rate is not None else "0.5"
    new = f"torch.nn.functional.dropout({text(outer.args[0])}, {value}, training=self.training)"
    return edits.replace(source, [(outer, new)])


def _moved(site: Site, built: Construction) -> Patch:
    """Construct the layer at the end of the constructor, under a name of its own."""
    source = site.source
    cls = source.class_of(site.call)
    methods = [n for n in cls.body if isinstance(n, ast.FunctionDef)] if cls else []
    constructor = next((n for n in methods if n.name == "__init__"), None)
    if cls is None or constructor is None:
        message = "the class has no constructor to move the layer to"
        raise edits.EditError(message)
    name = _new_name(source.text_of(cls), built.type.lower())
    arguments = _resolved(site, built)
    line = f"self.{name} = {source.text_of(site.call.func)}({arguments})"
    moved = edits.insert_after(source, constructor.body[-1], line)
    before = edits.replace(source, [(site.call, f"self.{name}")])
    return _both(source.path, source.lines, before, moved, constructor.body[-1])


def _both(path: str, old: list[str], replaced: Patch, inserted: Patch, last: ast.stmt) -> Patch:
    """Return the patch with both changes; the constructor stands before or after the call."""
    line = inserted[path].split("\n")[last.end_lineno or last.lineno]
    lines = replaced[path].split("\n")
    shift = len(lines) - len(old) if _first_change(old, lines) < last.lineno else 0
    at = (last.end_lineno or last.lineno) + shift
    return {path: "\n".join([*lines[:at], line, *lines[at:]])}


def _first_change(old: list[str], new: list[str]) -> int:
    pairs = enumerate(zip(old, new, strict=False), start=1)
    return next((number for number, (a, b) in pairs if a != b), 0)


def _new_name(text: str, name: str) -> str:
    while f"self.{name}" in text:
        name += "_"
    return name


def _resolved(site: Site, built: Construction) -> str:
    """Return the arguments as text, with local variables replaced by the numbers they had."""
    parts: list[str] = []
    values = list(built.arguments.items())
    for position, node in enumerate(site.call.args):
        if isinstance(node, ast.Constant) or position >= len(values):
            parts.append(site.source.text_of(node))
        elif type(values[position][1]) in {int, float, bool, tuple}:
            parts.append(repr(values[position][1]))
        else:
            parts.append(site.source.text_of(node))
    for keyword in site.call.keywords:
        value = built.arguments.get(keyword.arg or "")
        known = type(value) in {int, float, bool, tuple}
        text = repr(value) if known else site.source.text_of(keyword.value)
        parts.append(f"{keyword.arg}={text}")
    return ", ".join(parts)
