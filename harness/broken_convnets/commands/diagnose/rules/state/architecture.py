"""A network is built as the one whose state it loads."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.loads import Load, failed_load
from broken_convnets.commands.diagnose.analysis.rebuilding import rebuilt
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]
SHOWN = 3  # keys


@rule(
    "a network has the layers whose state it loads",
    stays_quiet="about prefixes, whole checkpoints and other shapes",
)
def other_architecture(evidence: Evidence) -> Iterator[Finding]:
    """Find networks that are built with other arguments than the saved one."""
    require_failure(evidence, RuntimeError)
    load = failed_load(evidence)
    if load is None or not load.state or not _is_state(load):
        return
    missing = [key for key in load.own if key not in load.state]
    unexpected = [key for key in load.state if key not in load.own]
    common = set(load.own) & set(load.state)
    if not (missing or unexpected) or not common:
        return
    counts = _counts(load)
    built = evidence.record.construction(load.module)
    where = location(built.places) if built and built.places and counts else None
    listed = f"missing: {', '.join(missing[:SHOWN])}" if missing else ""
    extra = f"unexpected: {', '.join(unexpected[:SHOWN])}" if unexpected else ""
    yield Finding(
        kind="state/architecture_mismatch",
        message=f"the state_dict is of a network with other layers than this "
        f"{type(load.module).__name__}",
        evidence="; ".join(filter(None, (listed, extra, _counted(counts)))),
        cause=where or frame_location(load.frame),
        symptom=frame_location(load.frame),
        subject=type(load.module).__name__,
        cases=("state/state_dict_of_deeper_network",),
        candidates=candidates(*rebuilt(evidence, load, *counts[1:])) if counts else (),
        confidence=9,
    )


def _is_state(load: Load) -> bool:
    return all(isinstance(value, torch.Tensor) for value in load.state.values())


def _counts(load: Load) -> tuple[str, int, int] | None:
    """Return a list of layers whose lengths differ: its name, here and in the state_dict."""
    for name in dict.fromkeys(key.partition(".")[0] for key in (*load.own, *load.state)):
        here, there = _length(name, load.own), _length(name, load.state)
        if here and there and here != there:
            return name, here, there
    return None


def _length(name: str, state: dict[str, torch.Tensor] | dict[str, object]) -> int:
    numbers = {key.split(".")[1] for key in state if key.startswith(f"{name}.") and "." in key}
    digits = [int(number) for number in numbers if number.isdigit()]
    return max(digits) + 1 if digits else 0


def _counted(counts: tuple[str, int, int] | None) -> str:
    return f"{counts[0]} has {counts[1]} layers here and {counts[2]} there" if counts else ""


@rule(
    "an optimizer loads the state of an optimizer with the same parameter groups",
    stays_quiet="unless the optimizer itself refuses the state",
)
def optimizer_state_of_another(evidence: Evidence) -> Iterator[Finding]:
    """Find optimizer states of another network, and whole checkpoints."""
    frame = require_failure(evidence, ValueError, KeyError)
    call = frame.call
    owner = frame.value(call.func.value) if call and isinstance(call.func, ast.Attribute) else None
    node = argument_of(call)
    if not isinstance(owner, torch.optim.Optimizer) or call is None or node is None:
        return
    given = frame.value(node)
    own = [len(group["params"]) for group in owner.param_groups]
    groups = given.get("param_groups") if isinstance(given, dict) else None
    text = frame.source.text_of(node)
    key = (
        next((k for k, v in given.items() if _is_optimizer_state(v)), None)
        if isinstance(given, dict)
        else None
    )
    there = f"; the state has {[len(g['params']) for g in groups]}" if groups else ""
    new = f"{text}[{key!r}]".replace("'", '"')
    yield Finding(
        kind="state/state_dict_mismatch" if key else "state/optimizer_groups_differ",
        message=f"`{text}` is a whole checkpoint"
        if key
        else "the optimizer state is that of other parameter groups",
        evidence=f"its optimizer state is under {key!r}"
        if key
        else f"this optimizer has groups of {own} parameters{there}: {_change(own, groups)}",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates((0, partial(edits.replace, frame.source, [(node, new)])))
        if key
        else (),
        confidence=9,
    )


def _change(own: list[int], groups: Any) -> str:
    """Return what differs between an optimizer's groups and those of a state."""
    if groups and sum(own) == sum(len(group["params"]) for group in groups):
        return "construct the optimizer with the groups that it was saved with"
    return "the network has changed since it was saved"


def argument_of(call: ast.Call | None) -> ast.expr | None:
    """Return the only argument of load_state_dict()."""
    is_load = call is not None and isinstance(call.func, ast.Attribute)
    if not is_load or call is None or not call.args:
        return None
    return call.args[0] if getattr(call.func, "attr", "") == "load_state_dict" else None


def _is_optimizer_state(value: object) -> bool:
    return isinstance(value, dict) and "param_groups" in value
