"""An optimizer receives the parameters of a network."""

from __future__ import annotations

import ast
import difflib
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.optimizer import Optimizer

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import attribute_assignments
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]


def parameters_of_optimizer(frame: UserFrame) -> ast.expr | None:
    """Return the first argument of the optimizer's constructor that fails."""
    call = frame.call
    built = frame.value(call.func) if call else None
    if call is None or not isinstance(built, type) or not issubclass(built, Optimizer):
        return None
    return argument(call, "params", 0)


@rule(
    "an iterator of parameters is read once",
    stays_quiet="about lists of parameters",
)
def spent_parameters(evidence: Evidence) -> Iterator[Finding]:
    """Find generators of parameters that were read before the optimizer received them."""
    frame = require_failure(evidence, ValueError)
    node = parameters_of_optimizer(frame)
    if not isinstance(node, ast.Name | ast.Attribute) or "empty parameter" not in evidence.message:
        return
    origin = origin_of(evidence, 0, node)
    value = frame.value(node)
    if origin.node is node or not hasattr(value, "__next__"):
        return
    if not _has_parameters(evidence) or _asks_for_grad_of_frozen(evidence, origin):
        return
    text = origin.source.text_of(origin.node)
    listed = (
        f"[{text.strip('()')}]" if isinstance(origin.node, ast.GeneratorExp) else f"list({text})"
    )
    yield Finding(
        kind="training/exhausted_generator",
        message=f"`{frame.source.text_of(node)}` is an iterator that was read to its end before",
        evidence=f"`{shortened(text)}` yields each parameter once; the optimizer finds none left",
        cause=origin_location(origin),
        symptom=frame_location(frame),
        subject=frame.source.text_of(node),
        cases=("training/exhausted_parameter_generator",),
        candidates=candidates((0, partial(edits.replace, origin.source, [(origin.node, listed)]))),
        confidence=10,
    )


def networks(evidence: Evidence) -> list[nn.Module]:
    """Return the networks that the program has constructed, the largest first."""
    found = evidence.record.constructed_modules()
    return sorted(found, key=lambda module: -sum(1 for _ in module.modules()))


def _has_parameters(evidence: Evidence) -> bool:
    return any(True for network in networks(evidence)[:1] for _ in network.parameters())


@rule(
    "the choice of parameters for an optimizer is not empty",
    stays_quiet="if the network has no parameters at all",
)
def no_parameter_chosen(evidence: Evidence) -> Iterator[Finding]:
    """Find conditions on names or on requires_grad that no parameter meets."""
    frame = require_failure(evidence, ValueError)
    node = parameters_of_optimizer(frame)
    if node is None or "empty parameter" not in evidence.message or not _has_parameters(evidence):
        return
    origin = origin_of(evidence, 0, node)
    if not isinstance(origin.node, ast.ListComp | ast.GeneratorExp | ast.Call | ast.List):
        return
    about_grad = _asks_for_grad_of_frozen(evidence, origin)
    if hasattr(frame.value(node), "__next__") and not about_grad:
        return
    named = list(networks(evidence)[0].named_parameters())
    trainable = [name for name, parameter in named if parameter.requires_grad]
    names = trainable or [name for name, _ in named]
    text = shortened(origin.source.text_of(origin.node))
    parts = sorted({name.partition(".")[0] for name in names})
    yield Finding(
        kind="training/all_frozen" if about_grad else "training/empty_parameter_list",
        message=f"`{text}` chooses none of the {len(named)} parameters",
        evidence="every parameter has requires_grad=False"
        if about_grad
        else f"the names begin with {', '.join(parts[:6])}",
        cause=origin_location(origin),
        symptom=frame_location(frame),
        subject=text,
        cases=("training/optimizer_parameter_name_mismatch",),
        candidates=candidates(*_other_names(origin, names)),
        confidence=9,
    )


def _asks_for_grad_of_frozen(evidence: Evidence, origin: Origin) -> bool:
    """Return whether parameters that require gradients are chosen, and there are none."""
    frozen = not any(p.requires_grad for p in networks(evidence)[0].parameters())
    return frozen and "requires_grad" in origin.source.text_of(origin.node)


def _other_names(origin: Origin, names: list[str]) -> Iterator[Attempt]:
    """Yield the condition with a prefix that parameters do have, the one spelled alike first."""
    for constant in ast.walk(origin.node):
        if not isinstance(constant, ast.Constant) or not isinstance(constant.value, str):
            continue
        wanted = constant.value.strip(".")
        parts = list(dict.fromkeys(part for name in names for part in name.split(".")[:-1]))
        close = difflib.get_close_matches(wanted, parts, n=3, cutoff=0.5)
        last = names[-1].partition(".")[0]
        for rank, part in enumerate(dict.fromkeys([*close, last])):
            text = repr(constant.value.replace(wanted, part)).replace("'", '"')
            yield rank, partial(edits.replace, origin.source, [(constant, text)])


@rule(
    "a network registers its layers and parameters",
    stays_quiet="about networks that have parameters",
)
def network_without_parameters(evidence: Evidence) -> Iterator[Finding]:
    """Find layers in plain lists and dictionaries, and weights that are plain tensors."""
    frame = require_failure(evidence, ValueError)
    node = parameters_of_optimizer(frame)
    if node is None or "empty parameter" not in evidence.message:
        return
    for network in networks(evidence):
        for name, value in vars(network).items():
            wrapper = _wrapper(value)
            if not wrapper or name.startswith("_") or any(True for _ in network.parameters()):
                continue
            for source in class_sources(evidence, network):
                found = list(attribute_assignments(source, network, name))
                if not found:
                    continue
                _, statement, expression = found[0]
                yield Finding(
                    kind="training/empty_parameter_list",
                    message=f"{type(network).__name__}.{name} is not registered, so parameters() "
                    "does not find it",
                    evidence=f"it is a {_what(value)}; {wrapper} registers what is inside",
                    cause=Location(source.path, statement.lineno),
                    symptom=frame_location(frame),
                    subject=name,
                    module=name,
                    cases=("module/optimizer_empty_parameter_list",),
                    candidates=candidates(
                        (0, partial(_wrapped, source, expression, wrapper)),
                    ),
                    confidence=10,
                )
                return


def _wrapper(value: object) -> str:
    """Return what registers a value; empty if it is neither layers nor a weight."""
    if isinstance(value, list | tuple) and any(isinstance(v, nn.Module) for v in value):
        return "nn.ModuleList"
    if isinstance(value, dict) and any(isinstance(v, nn.Module) for v in value.values()):
        return "nn.ModuleDict"
    return "nn.Parameter" if isinstance(value, torch.Tensor) and value.is_floating_point() else ""


def _what(value: object) -> str:
    name = "tensor" if isinstance(value, torch.Tensor) else type(value).__name__
    return f"plain {name}"


def _wrapped(source: Source, expression: ast.expr, wrapper: str) -> Patch:
    return edits.replace(source, [(expression, f"{wrapper}({source.text_of(expression)})")])
