"""Tensors that a network computes with are parameters or buffers."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import class_sources, nn_name, targets_of
from broken_convnets.commands.diagnose.analysis.moves import was_moved
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.classes import ClassSource
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.held_tensors import HeldTensor

MOVING = frozenset({"to", "type_as", "cuda", "__get__ device", "new_tensor"})
RANDOM = frozenset(
    {"randn", "rand", "randint", "randperm", "normal", "bernoulli", "multinomial", "rand_like"}
    | {"randn_like", "normal_", "uniform_", "bernoulli_", "random_", "trunc_normal_"}
    | {"kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_", "orthogonal_"}
)


def _held(evidence: Evidence) -> Iterator[tuple[HeldTensor, ClassSource, ast.stmt]]:
    """Yield the tensors that a class of the user's assigns in its constructor and uses later."""
    require_success(evidence)
    seen: set[tuple[type, str]] = set()
    for network in evidence.record.held_tensors:
        for held in network.tensors:
            module = held.module()
            if module is None or (type(module), held.attribute) in seen:
                continue
            found = _constructor_line(evidence, type(module), held)
            if found is not None and _is_used(evidence, held):
                seen.add((type(module), held.attribute))
                yield held, *found


def _constructor_line(
    evidence: Evidence, cls: type, held: HeldTensor
) -> tuple[ClassSource, ast.stmt] | None:
    """Return where the constructor assigns an attribute; None if another method does so too."""
    for found in class_sources(evidence, cls):
        lines: list[ast.stmt] = list(found.assignments(held.attribute))
        if held.is_buffer:
            lines = list(_registrations(found, held.attribute))
        functions = [found.source.function_of(line) for line in lines]
        if lines and all(f is not None and f.name == "__init__" for f in functions):
            return found, lines[-1]
        if lines:
            return None
    return None


def _registrations(found: ClassSource, name: str) -> Iterator[ast.Expr]:
    for node in ast.walk(found.node):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            first = call.args[0] if call.args else None
            named = isinstance(first, ast.Constant) and first.value == name
            if call.func.attr == "register_buffer" and named and isinstance(node, ast.Expr):
                yield node


def _is_used(evidence: Evidence, held: HeldTensor) -> bool:
    """Return whether a module computes with a tensor as it is, without moving it first."""
    users = [o for o in evidence.flow.consumers(held.value) if o.layer]
    return bool(users) and not any(o.name in MOVING for o in users)


@rule(
    "no attribute of a module is a second name of a parameter or a buffer",
    stays_quiet="if forward() does not use it, or a method other than the constructor assigns it",
)
def stale_alias(evidence: Evidence) -> Iterator[Finding]:
    """Find attributes that still refer to the old tensor after to() has replaced a buffer."""
    for held, found, line in _held(evidence):
        if not held.alias_of or held.is_buffer:
            continue
        name = f"self.{held.attribute}{held.item}"
        yield Finding(
            kind="device/buffer_alias_not_moved",
            message=f"{name} is a second name of {held.alias_of}, and to() does not move it",
            evidence=f"both are one {held.value} now; after to(), {held.alias_of} is a new tensor, "
            f"and {name}, which forward() uses, is still the old one",
            violates=(Law.MOVES_AS_ONE,),
            cause=Location(found.source.path, line.lineno),
            subject=f"{found.node.name}.{held.attribute}",
            module=held.path,
            cases=("device/stale_buffer_alias",),
            candidates=_without_alias(found, line, held.attribute),
            confidence=9,
        )


def _without_alias(found: ClassSource, line: ast.stmt, attribute: str) -> tuple[Candidate, ...]:
    """Return a patch that reads the buffers instead of the attribute."""
    source = found.source
    value = line.value if isinstance(line, ast.Assign) else None
    reads = [
        node
        for node in ast.walk(found.node)
        if isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.ctx, ast.Load)
    ]
    if value is None or not reads:
        return ()
    text = source.text_of(value)
    changes: list[tuple[ast.expr | ast.stmt, str]] = [(node, text) for node in reads]
    return candidates((0, partial(edits.replace, source, [*changes, (line, "pass")])))


@rule(
    "tensors that are to be trained are parameters of their module",
    stays_quiet="if an optimizer has them",
    whole_program=True,
)
def tensor_not_parameter(evidence: Evidence) -> Iterator[Finding]:
    """Find tensors that require gradients and are not in parameters()."""
    for held, found, line in _held(evidence):
        trained = held.value.requires_grad and held.is_leaf and not held.is_buffer
        if not trained or held.alias_of or _in_optimizer(evidence, held):
            continue
        yield Finding(
            kind="training/empty_parameter_list",
            message=f"self.{held.attribute} requires gradients but is not a registered parameter",
            evidence=f"forward() uses this {held.value}, and it is not in parameters() or "
            "state_dict(): no optimizer trains it",
            violates=(Law.MOVES_AS_ONE, Law.STATE_ROUND_TRIPS),
            cause=Location(found.source.path, line.lineno),
            subject=f"{found.node.name}.{held.attribute}",
            module=held.path,
            cases=("module/layers_in_python_list",),
            candidates=_as_parameter(found, line, held),
            confidence=8,
        )


def _in_optimizer(evidence: Evidence, held: HeldTensor) -> bool:
    module = held.module()
    value = vars(module).get(held.attribute) if module is not None else None
    tensors = value if isinstance(value, list | tuple) else [value]
    optimizers = [o.object() for o in evidence.record.constructions if o.kind == "optimizer"]
    owned = {
        id(parameter)
        for optimizer in optimizers
        if optimizer is not None
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    return any(id(tensor) in owned for tensor in tensors)


def _as_parameter(found: ClassSource, line: ast.stmt, held: HeldTensor) -> tuple[Candidate, ...]:
    source = found.source
    value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
    if value is None:
        return ()
    cls = "ParameterList" if held.item else "Parameter"
    text = source.text_of(value)
    detached = f"{text}.detach()" if cls == "Parameter" else text
    new = f"{nn_name(source)}.{cls}({detached})"
    return candidates((0, partial(edits.replace, source, [(value, new)])))


@rule(
    "constant tensors of a module are buffers",
    stays_quiet="if the program moves them to a device itself, before or in forward(), if they "
    "are single numbers, or if another method assigns them",
)
def tensor_not_buffer(evidence: Evidence) -> Iterator[Finding]:
    """Find tensors that a module computes with and that to() and state_dict() do not know."""
    for held, found, line in _held(evidence):
        random = _is_random(evidence, held, found)
        if held.value.requires_grad or held.alias_of or not held.value.shape:
            continue
        placed = _has_given_device(line) or was_moved(evidence, held.value)
        if not random and (held.is_buffer or placed):
            continue
        name = f"self.{held.attribute}{held.item}"
        yield Finding(
            kind="state/state_dict_mismatch" if random else "device/new_tensor_on_cpu",
            message=f"{name} is {'random and not saved' if random else 'not a registered buffer'}",
            evidence=_why(held, random=random),
            violates=(Law.STATE_ROUND_TRIPS,) if random else (Law.MOVES_AS_ONE,),
            cause=Location(found.source.path, line.lineno),
            subject=f"{found.node.name}.{held.attribute}",
            module=held.path,
            cases=(
                ("state/random_filters_not_in_state_dict",)
                if random
                else ("device/unregistered_buffer",)
            ),
            candidates=_as_buffer(found, line, held),
            confidence=7,
        )


def _has_given_device(line: ast.stmt) -> bool:
    """Return whether the line constructs a tensor on the device that a variable names."""
    calls = [node for node in ast.walk(line) if isinstance(node, ast.Call)]
    given = [k.value for call in calls for k in call.keywords if k.arg == "device"]
    return any(isinstance(value, ast.Name | ast.Attribute) for value in given)


def _why(held: HeldTensor, *, random: bool) -> str:
    if random:
        return (
            f"forward() computes with this {held.value}, which is drawn anew in each process and "
            "is not in state_dict(): a saved network returns another output"
        )
    computes = f"forward() computes with this {held.value}"
    return f"{computes}, and to() does not move it: on a GPU, forward() fails"


def _is_random(evidence: Evidence, held: HeldTensor, found: ClassSource) -> bool:
    """Return whether the constructor draws a tensor, without a seed of its own."""
    text = found.source.text_of(found.node)
    if "manual_seed" in text or "generator=" in text:
        return False
    producers = (evidence.record.producer(v) for v in evidence.flow.ancestors([held.value]))
    return any(producer is not None and producer.name in RANDOM for producer in producers)


def _as_buffer(found: ClassSource, line: ast.stmt, held: HeldTensor) -> tuple[Candidate, ...]:
    source = found.source
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call):
        kept = [source.text_of(a) for a in line.value.args[:2]]
        new = f"{source.text_of(line.value.func)}({', '.join(kept)})"
        attempts.append((0, partial(edits.replace, source, [(line, new)])))
    elif isinstance(line, ast.Assign | ast.AnnAssign) and line.value and not held.item:
        owner = source.text_of(targets_of(line)[0]).rpartition(".")[0]
        new = f'{owner}.register_buffer("{held.attribute}", {source.text_of(line.value)})'
        attempts.append((0, partial(edits.replace, source, [(line, new)])))
    return candidates(*attempts)
