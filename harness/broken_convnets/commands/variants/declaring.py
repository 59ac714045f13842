"""Judge the runs of a variant: what it declares, or why it is rejected."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.variants.store import Verification
from broken_convnets.corpus.entries import Case, Control, Entry
from broken_convnets.verdicts.judge import Runs, judge
from broken_convnets.vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from broken_convnets.commands.variants.make import Variant
    from broken_convnets.corpus.spec import Broken, Healthy
    from broken_convnets.observe.facts import Observation

DEVICE = "cpu"  # a mistake is the same one on every device


def declared_as(entry: Entry, broken: Broken | None, healthy: Healthy) -> Entry:
    """Return a copy of `entry` with these declarations."""
    if isinstance(entry, Control):
        return replace(entry, spec=msgspec.structs.replace(entry.spec, works=healthy))
    spec = msgspec.structs.replace(
        entry.spec, broken=broken or entry.spec.broken, fixed=healthy, other_messages=[]
    )
    return replace(entry, spec=spec)


def verification_of(each: Variant, runs: Runs, release: str) -> Verification:
    """Judge a variant's runs by the declaration of its original, apart from sizes and names."""
    entry = each.entry
    healthy, reason = _healthy(each, runs["fixed"][0].answer)
    broken = None
    if not reason and isinstance(entry, Case):
        declared = entry.spec.broken.on(DEVICE, release)
        broken, reason = _broken(each, declared, runs["broken"][0].answer)
    if reason:
        return Verification(verified=False, reason=reason)
    judgement = judge(declared_as(entry, broken, healthy), runs, DEVICE, release)
    if judgement.verdict in {Verdict.REPRODUCED, Verdict.WORKS}:
        return Verification(verified=True, broken=broken, healthy=healthy)
    mismatches = "; ".join(f"{wrong.what}: {wrong.happened}" for wrong in judgement.mismatches)
    return Verification(verified=False, reason=f"{judgement.verdict}: {mismatches}")


def _healthy(each: Variant, seen: Observation | None) -> tuple[Healthy, str]:
    """Return what the fixed side declares; with its own sizes if the variant was resized.

    The structure, the dtypes and the number of dimensions must be those of the original.
    """
    declared = each.entry.healthy
    if not each.resized or seen is None or seen.raised or seen.given is None:
        return declared, ""
    if _unsized(seen.output or "") != _unsized(declared.output):
        return declared, f"output: {declared.output} became {seen.output}"
    inputs = seen.given.inputs if declared.inputs else None
    if inputs is not None and _unsized(inputs) != _unsized(declared.inputs or ""):
        return declared, f"inputs: {declared.inputs} became {inputs}"
    parameters = seen.given.parameters if declared.parameters else None
    frozen = [
        total == trained for trained, total in filter(None, (parameters, declared.parameters))
    ]
    if len(set(frozen)) > 1:
        return declared, f"parameters: {declared.parameters} became {parameters}"
    own = {"output": seen.output, "inputs": inputs, "parameters": parameters}
    return msgspec.structs.replace(declared, **own), ""


def _unsized(text: str) -> str:
    return re.sub(r"(?<=[\[ ])\d+(?=[,\]])", "#", text)


def _broken(each: Variant, declared: Broken, seen: Observation | None) -> tuple[Broken, str]:
    """Return what the broken side declares, with its own message, or the reason to reject it."""
    if declared.stage is Stage.SILENT or not declared.fails or seen is None:
        return declared, ""
    raised = seen.raised
    if raised is None:
        return declared, "no failure: the broken side works"
    for what, want, got in (
        ("stage", declared.stage, raised.stage),
        ("exception", declared.raises, raised.type),
    ):
        if want != got:
            return declared, f"{what}: {want} became {got}, {raised.message[:200]}"
    message = re.search(_message_pattern(declared.message or "", each.names), raised.message)
    if message is None or not raised.expression:
        return declared, f"message: {declared.message!r} became {raised.message[:200]!r}"
    if declared.layer and not raised.layer:
        return declared, f"layer: {declared.layer} became none"
    return msgspec.structs.replace(
        declared, message=message[0], expression=raised.expression, layer=raised.layer or None
    ), ""


def _message_pattern(message: str, names: dict[str, tuple[str, ...]]) -> str:
    """Return a pattern for the same kind of message: with any numbers, and the new names."""
    parts = re.findall(r"\d+(?:x\d+)*|[A-Za-z_]\w*|.", message, re.DOTALL)
    return "".join(
        re.sub(r"\d+", r"\\d+", part)
        if part[0].isdigit()
        else f"(?:{'|'.join(map(re.escape, (part, *names[part])))})"
        if part in names
        else re.escape(part)
        for part in parts
    )
