"""Layers are registered: as attributes, or in a ModuleList or a ModuleDict."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import class_sources, nn_name
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.classes import ClassSource
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate


@rule(
    "layers that a network calls are registered in it",
    stays_quiet="about layers that were constructed outside of the class, such as a teacher in a "
    "list, frozen layers, and layers that an optimizer has",
    whole_program=True,
)
def layers_not_registered(evidence: Evidence) -> Iterator[Finding]:
    """Find layers in plain lists and dicts of a module that calls them."""
    if evidence.error is not None:
        return
    for network in evidence.record.kept_networks:
        registered = {id(module) for module in network.modules()}
        for path, owner in network.named_modules():
            for attribute, layers in _in_containers(owner):
                unknown = [one for one in layers if id(one) not in registered]
                if unknown and _is_mistake(evidence, owner, unknown):
                    yield _finding(evidence, path, owner, attribute, unknown)


def _in_containers(owner: nn.Module) -> Iterator[tuple[str, list[nn.Module]]]:
    for name, value in list(vars(owner).items()):
        if not name.startswith("_") or name not in vars(nn.Module()):
            layers = list(_modules_in(value, depth=3))
            if layers and not isinstance(value, nn.Module):
                yield name, layers


def _modules_in(value: object, depth: int) -> Iterator[nn.Module]:
    if isinstance(value, nn.Module):
        yield value
    elif depth and isinstance(value, list | tuple | set):
        for item in list(value)[:100]:
            yield from _modules_in(item, depth - 1)
    elif depth and isinstance(value, dict):
        yield from _modules_in(list(value.values()), depth)


def _is_mistake(evidence: Evidence, owner: nn.Module, layers: list[nn.Module]) -> bool:
    """Return whether the owner constructs layers that it calls, and nobody else takes care."""
    called = {id(m) for one in evidence.record.called if (m := one.module()) is not None}
    trained = [p for layer in layers for p in layer.parameters() if p.requires_grad]
    used = any(id(module) in called for layer in layers for module in layer.modules())
    if not trained or not used or _in_optimizer(evidence, trained):
        return False
    names = {cls.__name__ for cls in type(owner).__mro__}
    return any(_built_in(evidence, layer, names) for layer in layers)


def _in_optimizer(evidence: Evidence, parameters: list[nn.Parameter]) -> bool:
    return any(
        owned is parameter
        for built in evidence.record.constructions
        if built.kind == "optimizer" and (optimizer := built.object()) is not None
        for group in optimizer.param_groups
        for owned in group["params"]
        for parameter in parameters
    )


def _built_in(evidence: Evidence, layer: nn.Module, names: set[str]) -> bool:
    """Return whether a method of one of these classes constructs a layer."""
    built = evidence.record.construction(layer)
    for place in built.places if built else ():
        source = evidence.source(place.file)
        node = source.expression_at(place) if source else None
        cls = source.class_of(node) if source and node else None
        if cls is not None and cls.name in names:
            return True
    return False


def _finding(
    evidence: Evidence, path: str, owner: nn.Module, attribute: str, layers: list[nn.Module]
) -> Finding:
    found = next(
        (c for c in class_sources(evidence, type(owner)) if c.assignments(attribute)), None
    )
    assigned = found.assignments(attribute)[0] if found else None
    name = f"{path}.{attribute}".lstrip(".")
    count = sum(p.numel() for layer in layers for p in layer.parameters())
    container = type(vars(owner)[attribute]).__name__
    return Finding(
        kind="training/empty_parameter_list",
        message=f"{len(layers)} layers in self.{attribute}, a {container}, are not registered",
        evidence=f"their {count} parameters are not in parameters() or state_dict(), so no "
        "optimizer trains them, and to() does not move them",
        violates=(Law.MOVES_AS_ONE, Law.STATE_ROUND_TRIPS),
        cause=Location(found.source.path, assigned.lineno) if found and assigned else None,
        subject=name,
        module=path,
        cases=("module/layers_in_python_list",),
        candidates=_registrations(found, assigned, attribute) if found and assigned else (),
        confidence=9,
    )


def _registrations(
    found: ClassSource, assigned: ast.Assign | ast.AnnAssign, attribute: str
) -> tuple[Candidate, ...]:
    source, value = found.source, assigned.value
    if value is None:
        return ()
    is_dict = isinstance(value, ast.Dict | ast.DictComp) or _calls(value, "dict")
    container = f"{nn_name(source)}.{'ModuleDict' if is_dict else 'ModuleList'}"
    text = source.text_of(value)
    empty = text in {"[]", "{}", "list()", "dict()", "()"}
    wrapped = f"{container}()" if empty else f"{container}({text})"
    attempts: list[tuple[int, Callable[[], Patch]]] = [
        (0, partial(edits.replace, source, [(value, wrapped)]))
    ]
    function = source.function_of(assigned)
    if isinstance(function, ast.FunctionDef):
        last = function.body[-1]
        line = f"self.{attribute} = {container}(self.{attribute})"
        attempts.append((1, partial(edits.insert_after, source, last, line)))
    return candidates(*attempts)


def _calls(value: ast.expr, name: str) -> bool:
    return (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == name
    )
