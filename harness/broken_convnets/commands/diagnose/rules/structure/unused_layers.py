"""Every layer that is registered is called."""

from __future__ import annotations

import ast
import operator
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import class_sources, reads_of
from broken_convnets.commands.diagnose.analysis.usage import Usage
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import NotApplicable, rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.classes import ClassSource
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)
# Attributes of a layer that are read to initialize, freeze or count it, not to compute.
BOOKKEEPING = frozenset(
    {"weight", "bias", "parameters", "named_parameters", "requires_grad_", "apply", "modules"}
    | {"in_features", "out_features", "in_channels", "out_channels", "state_dict", "train", "eval"}
)


@rule(
    "every layer with parameters is called, or its parameters are used",
    stays_quiet="about layers that any method but the constructor mentions, parts of containers "
    "of which others are called, frozen layers, and layers that a library constructs",
    whole_program=True,
)
def layer_never_called(evidence: Evidence) -> Iterator[Finding]:
    """Find layers that are constructed, registered and then forgotten."""
    require_success(evidence)
    if evidence.record.called.omitted:
        reason = "the program calls more modules than are recorded"
        raise NotApplicable(reason)
    seen: set[Place] = set()  # where layers are constructed that were found already
    for network in evidence.record.kept_networks:
        usage = Usage(evidence, network)
        for path, parent, layer in usage.unused_layers():
            built = evidence.record.construction(layer)
            name = path.rpartition(".")[2]
            if built is None or not built.direct or _is_mentioned(evidence, parent, name):
                continue
            if seen.intersection(built.places[:1]):
                continue
            seen.update(built.places[:1])
            count = sum(parameter.numel() for parameter in layer.parameters())
            yield Finding(
                kind="training/unused_layer",
                message=f"{path} ({built.type}) is never called",
                evidence=f"no operator uses its {count} parameters in any of the "
                f"{evidence.record.passes.count} forward passes",
                violates=(Law.EVERY_PARAMETER_LEARNS,),
                cause=location(built.places),
                subject=path,
                module=path,
                cases=("module/unused_layer", "module/unused_squeezenet_fc"),
                candidates=_calls(evidence, parent, name, layer)
                or _renamings(evidence, usage, network, path, layer),
                confidence=8,
            )


def _is_mentioned(evidence: Evidence, parent: nn.Module, name: str) -> bool:
    """Return whether some code that did not run may call the layer."""
    if isinstance(parent, CONTAINERS):
        return sum(1 for _ in parent.children()) > 1
    for source in evidence.user_sources:
        for node in reads_of(source, name):
            function = source.function_of(node)
            built = function is not None and function.name == "__init__"
            computes = not built and not _is_bookkeeping(source.parent(node))
            if computes and _may_be_of(source, node, type(parent)):
                return True
    return any(_looks_up_names(found) for found in class_sources(evidence, type(parent)))


def _may_be_of(source: Source, node: ast.Attribute, owner: type) -> bool:
    """Return whether `self.name`, in some class, or `x.name` may be an attribute of `owner`."""
    cls = source.class_of(node)
    is_self = isinstance(node.value, ast.Name) and node.value.id == "self"
    return not is_self or cls is None or cls.name in {one.__name__ for one in owner.__mro__}


def _is_bookkeeping(parent: ast.AST | None) -> bool:
    return isinstance(parent, ast.Attribute) and parent.attr in BOOKKEEPING


def _looks_up_names(found: ClassSource) -> bool:
    """Return whether a class reads attributes by computed names."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"
        for node in ast.walk(found.node)
    )


def _calls(
    evidence: Evidence, parent: nn.Module, name: str, layer: nn.Module
) -> tuple[Candidate, ...]:
    """Return patches that call the layer beside the ones constructed just before and after."""
    found = next(class_sources(evidence, type(parent)), None)
    if found is None:
        return ()
    names = [one for one, _ in parent.named_children()]
    at = names.index(name) if name in names else 0
    before, after = names[max(at - 1, 0) : at], names[at + 1 : at + 2]
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    for call, owner in _own_calls(found):
        text = found.source.text_of(call)
        twin = getattr(parent, owner, None)
        if isinstance(twin, nn.Module) and _is_alike(twin, layer):
            new = f"self.{name}"
            attempts.append((0, partial(edits.replace, found.source, [(call.func, new)])))
        if owner in before:
            new = f"self.{name}({text})"
            attempts.append((1, partial(edits.replace, found.source, [(call, new)])))
        if owner in after and call.args:
            new = f"self.{name}({found.source.text_of(call.args[0])})"
            attempts.append((1, partial(edits.replace, found.source, [(call.args[0], new)])))
    return candidates(*sorted(attempts, key=operator.itemgetter(0)))


def _own_calls(found: ClassSource) -> list[tuple[ast.Call, str]]:
    """Return the calls of `self.<name>` in the methods of a class, the last first."""
    calls = [
        (node, node.func.attr)
        for node in (part for one in found.methods for part in ast.walk(one))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
    ]
    return sorted(calls, key=lambda one: (one[0].lineno, one[0].col_offset), reverse=True)


def _is_alike(one: nn.Module, other: nn.Module) -> bool:
    shapes = [[p.shape for p in module.parameters()] for module in (one, other)]
    return type(one) is type(other) and shapes[0] == shapes[1]


def _renamings(
    evidence: Evidence, usage: Usage, network: nn.Module, path: str, layer: nn.Module
) -> tuple[Candidate, ...]:
    """Return patches that assign the layer to the last layer that is called in its place."""
    built = evidence.record.construction(layer)
    source = evidence.source(built.places[0].file) if built and built.places else None
    statement = source.statement_at(built.places[0].line) if source and built else None
    last = usage.last_layer(inside=path.rpartition(".")[0])
    if source is None or not isinstance(statement, ast.Assign) or not last:
        return ()
    target = statement.targets[0]
    if not isinstance(target, ast.Attribute) or target.attr != path.rpartition(".")[2]:
        return ()
    owner = source.text_of(target.value)
    prefix = path.rpartition(".")[0]
    relative = last.removeprefix(f"{prefix}.") if prefix else last
    steps = "".join(f"[{x}]" if x.isdigit() else f".{x}" for x in relative.split("."))
    new = [(target, f"{owner}{steps}")]
    attempts: list[tuple[int, Callable[[], Patch]]] = [(0, partial(edits.replace, source, new))]
    called = network.get_submodule(last)
    if isinstance(called, nn.Conv2d) and isinstance(layer, nn.Linear):
        conv = f"{_nn(statement)}Conv2d({called.in_channels}, {layer.out_features}, 1)"
        attempts.append((0, partial(edits.replace, source, [*new, (statement.value, conv)])))
    return candidates(*attempts)


def _nn(statement: ast.Assign) -> str:
    """Return how a statement names `torch.nn`, with a dot."""
    value = statement.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return f"{ast.unparse(value.func.value)}."
    return ""
