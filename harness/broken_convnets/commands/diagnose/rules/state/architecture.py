"""A network is built as the one whose state it loads."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.state.loading import Load, failed_load
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]
SHOWN = 3  # keys


@rule(
    "loaded tensors have the shapes of the network's own",
    stays_quiet="if keys are missing or unexpected",
)
def other_shapes(evidence: Evidence) -> Iterator[Finding]:
    """Find heads with another number of classes than those of the checkpoint."""
    require_failure(evidence, RuntimeError)
    load = failed_load(evidence)
    if load is None or set(load.state) != set(load.own):
        return
    wrong = [key for key in load.own if _shape(load.state[key]) != tuple(load.own[key].shape)]
    if not wrong:
        return
    key = wrong[0]
    heads = sorted({name.rpartition(".")[0] for name in wrong})
    yield Finding(
        rule="other_shapes",
        kind="state/state_dict_size_mismatch",
        message=f"{key} is {list(_shape(load.state[key]))} in the state_dict and "
        f"{list(load.own[key].shape)} in the network",
        evidence=f"{len(wrong)} of {len(load.own)} tensors differ, those of "
        f"{', '.join(heads[:SHOWN])}",
        cause=frame_location(load.frame),
        subject=key,
        module=heads[0],
        cases=("state/state_dict_head_size_mismatch",),
        candidates=candidates(*_without(load, heads)),
        confidence=10,
    )


def _shape(value: object) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _without(load: Load, heads: list[str]) -> Iterator[Attempt]:
    """Yield the change that loads everything but the layers that differ."""
    prefixes = ", ".join(f'"{head}."' for head in heads)
    test = f"key.startswith(({prefixes}))" if len(heads) > 1 else f"key.startswith({prefixes})"
    text = f"{{key: value for key, value in {load.text}.items() if not {test}}}"
    owner = f"{load.network}.load_state_dict({text}, strict=False)"
    yield 0, partial(edits.replace, load.frame.source, [(load.call, owner)])


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
        rule="other_architecture",
        kind="state/architecture_mismatch",
        message=f"the state_dict is of a network with other layers than this "
        f"{type(load.module).__name__}",
        evidence="; ".join(filter(None, (listed, extra, _counted(counts)))),
        cause=where or frame_location(load.frame),
        symptom=frame_location(load.frame),
        subject=type(load.module).__name__,
        cases=("state/state_dict_of_deeper_network",),
        candidates=candidates(*_rebuilt(evidence, load, counts)),
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


def _rebuilt(
    evidence: Evidence, load: Load, counts: tuple[str, int, int] | None
) -> Iterator[Attempt]:
    """Yield the constructor with the saved number of layers, from the checkpoint if it has it."""
    built = evidence.record.construction(load.module)
    site = site_of(evidence, built.places) if built else None
    if counts is None or built is None or site is None:
        return
    _, here, there = counts
    for name, value in built.arguments.items():
        if value != here or isinstance(value, bool):
            continue
        for rank, text in enumerate(dict.fromkeys([_from_checkpoint(load, name), str(there)])):
            if text:
                position = list(built.arguments).index(name)
                change = partial(edits.set_argument, site.source, site.call, name, position, text)
                yield rank, change


def _from_checkpoint(load: Load, name: str) -> str:
    """Return `checkpoint["depth"]` if the mapping around the state has that number too."""
    node = load.node
    if not isinstance(node, ast.Subscript):
        return ""
    checkpoint = load.frame.value(node.value)
    if checkpoint is UNKNOWN or not isinstance(checkpoint, dict) or name not in checkpoint:
        return ""
    return f'{load.frame.source.text_of(node.value)}["{name}"]'


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
        rule="optimizer_state_of_another",
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
