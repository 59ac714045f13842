"""The graph leads from the loss back to the parameters that are meant to learn."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.dataflow import CUTS, is_cut
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    Site,
    assignments,
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator, Parameter
    from broken_convnets.observe.recorder.values import Value

LEAVES_GRAPH = ("item", "detach", "numpy", "tolist", "cpu")
NO_GRAD = ("no_grad", "inference_mode")
MOVES = frozenset({"to", "cpu", "cuda", "float", "double", "half", "bfloat16"})


@rule(
    "a backward pass reaches a parameter",
    stays_quiet="about losses whose history is not known, and about gradients of inputs",
)
def backward_from_new_tensor(evidence: Evidence) -> Iterator[Finding]:
    """Find losses that are new tensors, with no graph behind them."""
    require_success(evidence)
    if not any(p.grad_enabled and p.parameters for p in evidence.record.passes):
        return
    for backward in evidence.record.backward_passes:
        maker = evidence.record.producer(backward.roots[0]) if len(backward.roots) == 1 else None
        if maker is None or backward.received or not _is_new(evidence, maker, backward.roots[0]):
            continue
        site = site_of(evidence, maker.places)
        strips = _strips(site) if site else []
        yield Finding(
            kind="training/graph_detached",
            message="backward() starts from a new tensor that has no graph, so nothing learns",
            evidence=f"the loss comes from {maker.name}(), and backward() changes the gradient of "
            "no parameter",
            violates=(Law.EVERY_PARAMETER_MOVES, Law.ONE_BATCH_CAN_BE_LEARNED),
            cause=location_in(site.source, strips[0][0])
            if site and strips
            else location(maker.places),
            symptom=location(backward.places),
            subject=maker.places[0].text if maker.places else "",
            cases=("training/loss_wrapped_in_new_tensor",),
            candidates=_direct_loss(site, strips) if site else (),
            confidence=9,
        )
        return


def _is_new(evidence: Evidence, maker: Operator, root: Value) -> bool:
    """Return whether a root was constructed from numbers, or detached and made to require grad."""
    if not maker.inputs:
        return root.requires_grad
    forced = any(o.name == "requires_grad_" for o in evidence.flow.consumers(root))
    return forced and is_cut(maker)


def _strips(site: Site) -> list[tuple[ast.expr, str]]:
    """Return the earlier `.item()` and the like whose results the new tensor is made of."""
    first = site.call.args[0] if site.call.args else None
    name = (_without_cut(site.source, first) or site.source.text_of(first)) if first else ""
    scope = site.source.function_of(site.call) or site.source.tree
    found = []
    for assignment in assignments(site.source, name, scope):
        value = assignment.value
        if assignment.lineno < site.call.lineno and (inner := _without_cut(site.source, value)):
            found.append((value, inner))
    return found


def _without_cut(source: Source, node: ast.expr) -> str:
    """Return the text of `x` for `x.item()` and the like; empty for anything else."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute) and function.attr in LEAVES_GRAPH:
        return source.text_of(function.value)
    if isinstance(node, ast.Attribute) and node.attr == "data":
        return source.text_of(node.value)
    if isinstance(node, ast.Call) and isinstance(function, ast.Name) and function.id == "float":
        return source.text_of(node.args[0]) if node.args else ""
    return ""


def _direct_loss(site: Site, strips: list[tuple[ast.expr, str]]) -> tuple[Candidate, ...]:
    first = site.call.args[0] if site.call.args else None
    if first is None:
        return ()
    text = _without_cut(site.source, first) or site.source.text_of(first)
    return candidates((0, lambda: edits.replace(site.source, [(site.call, text), *strips])))


@rule(
    "each parameter that the optimizer has receives a gradient",
    stays_quiet="about layers at the beginning that run in no_grad, as frozen backbones do; "
    "networks that train nothing and are in no optimizer that steps; and parameters whose way to "
    "the loss is not known",
)
def term_without_gradient(evidence: Evidence) -> Iterator[Finding]:
    """Find where the graph is cut between a parameter and the loss."""
    require_success(evidence)
    seen: set[object] = set()
    for parameter in without_gradient(evidence):
        cut = first_cut(evidence, parameter)
        if cut is None or not cut.places or cut.places[0] in seen or begins(evidence, cut):
            continue
        seen.add(cut.places[0])
        off = not cut.grad_enabled
        how = "runs without autograd" if off else "detaches its input"
        yield Finding(
            kind="training/no_grad_in_forward" if off else "training/graph_detached",
            message=f"the graph is cut between {parameter.name} and the loss: {cut.name} {how}",
            evidence=f"{parameter.name} requires gradients, the loss depends on it, and none of "
            f"{evidence.record.backward_passes.count} backward passes changes its gradient",
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location(cut.places),
            subject=cut.places[0].text,
            module=parameter.name.rpartition(".")[0],
            cases=("training/loss_term_under_no_grad",),
            candidates=uncut(evidence, cut),
            confidence=8,
        )


def without_gradient(evidence: Evidence) -> Iterator[Parameter]:
    """Yield parameters that should learn and get no gradient.

    Their network learns in part, or an optimizer that steps has its parameters.
    """
    record = evidence.record
    received = {number for b in record.backward_passes for number in b.received}
    stepped = {number for step in record.optimizer_steps for number in step.parameters}
    for forward in {id(p.network): p for p in record.passes if p.whole}.values():
        own = set(forward.parameters)
        for number in sorted(own - received) if own & (received | stepped) else ():
            parameter = record.parameters[number]
            if parameter.requires_grad and (number in stepped or not record.built_optimizers):
                yield parameter


def first_cut(evidence: Evidence, parameter: Parameter) -> Operator | None:
    """Return the cut on all ways from a parameter to the loss; None if a way is open or unknown."""
    flow, cuts = evidence.flow, []
    waiting, found = list(parameter.values), set(parameter.values)
    while waiting:
        value = waiting.pop()
        for operator in flow.consumers(value):
            results = [v for v in (*operator.outputs, *operator.changed) if v.requires_grad]
            if operator.name in MOVES and value.parameter:
                continue  # of a module to another device or dtype
            if is_cut(operator):
                if operator.name in CUTS and operator.name not in {"detach", "__get__ data"}:
                    continue  # a number that is printed
                if any(v in flow.reaching_backward for v in operator.outputs):
                    cuts.append(operator)
                continue
            waiting += [v for v in results if v not in found]
            found.update(results)
    if not cuts or any(root in found for b in evidence.record.backward_passes for root in b.roots):
        return None
    return min(_before_step(evidence, parameter, cuts), key=lambda operator: operator.number)


def begins(evidence: Evidence, cut: Operator) -> bool:
    """Return whether a cut is a layer at the beginning, run without autograd."""
    inside = any(v.requires_grad and not v.parameter for v in cut.inputs)
    return not cut.grad_enabled and cut.layer in _torch_layers(evidence) and not inside


def _before_step(evidence: Evidence, parameter: Parameter, cuts: list[Operator]) -> list[Operator]:
    """Return the cuts in the loss that the parameter's optimizer steps for, else all of them.

    A GAN detaches images on purpose in the loss of its discriminator.
    """
    steps = (s for s in evidence.record.optimizer_steps if parameter.number in s.parameters)
    last = next((step.moment.backward_passes - 1 for step in steps), None)
    passes = (b for b in evidence.record.backward_passes if b.number == last)
    values = evidence.flow.ancestors(root for b in passes for root in b.roots)
    return [cut for cut in cuts if values & set(cut.outputs)] or cuts


def _torch_layers(evidence: Evidence) -> set[str]:
    """Return the types of called modules that have a class of torch: their names in torch.nn."""
    import torch.nn  # noqa: PLC0415  (rules are imported where torch may be missing)

    return {called.type for called in evidence.record.called if hasattr(torch.nn, called.type)}


def uncut(evidence: Evidence, cut: Operator) -> tuple[Candidate, ...]:
    """Return the change that removes a detach(), or the block without gradients around it."""
    source = evidence.source(cut.places[0].file)
    node = source.expression_at(cut.places[0]) if source else None
    if source is None or node is None:
        return ()
    if not cut.grad_enabled:
        return _with_autograd(source, node)
    for one in (node, *source.ancestors(node)):
        if isinstance(one, ast.expr) and (inner := _without_cut(source, one)):
            return candidates((0, partial(edits.replace, source, [(one, inner)])))
    return ()


def _with_autograd(source: Source, node: ast.expr) -> tuple[Candidate, ...]:
    """Return the change that removes the innermost `with torch.no_grad()`."""
    for ancestor in source.ancestors(node):
        if isinstance(ancestor, ast.With) and len(ancestor.items) == 1:
            text = source.text_of(ancestor.items[0].context_expr)
            if any(name in text for name in NO_GRAD):
                return candidates((0, partial(edits.unwrap, source, ancestor)))
    return ()
