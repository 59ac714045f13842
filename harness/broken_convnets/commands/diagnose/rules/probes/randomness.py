"""A network in eval mode is deterministic."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import fx

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, require_success, site_of
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.seeding import seed_torch
from broken_convnets.observe.traced_forward import trace_call
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.traced_forward import TracedOperator

DROPOUTS = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"})
MASKS = frozenset({"bernoulli", "bernoulli_", "rand", "rand_like", "uniform_"})
LAWS = (Law.DETERMINISTIC_IN_EVAL, Law.SAMPLES_INDEPENDENT)


@rule(
    "dropout and random masks are inactive in eval mode",
    stays_quiet="about samples that are drawn on purpose: noise, masks that are not scaled by the "
    "probability to keep, functions that look at the mode, and dropout with `training=True`",
)
def random_in_eval(evidence: Evidence) -> Iterator[Finding]:
    """Find what two passes of one input through a network in eval mode differ by."""
    require_success(evidence)
    for probe in evidence.probing.violating(Law.DETERMINISTIC_IN_EVAL):
        operator = evidence.probing.run(partial(_first_random, probe))
        if operator is None or not operator.places:
            continue
        found = _frozen_mode(evidence, probe, operator) or _mask(evidence, operator)
        if found is not None:
            yield found


def _first_random(probe: Probe) -> TracedOperator | None:
    """Return the first operator whose outputs differ in two passes; None if calls differ too."""
    traces: list[list[TracedOperator]] = []
    for seed in (0, 1):
        seed_torch(seed)
        net, inputs = probe.subject.build().eval(), probe.subject.inputs()
        traces.append(trace_call(lambda: net.forward(inputs))[0])  # noqa: B023  (called at once)
    first, second = traces
    for one, two in zip(first, second, strict=False):
        if one.name != two.name or one.places != two.places:
            return None
        same = all(
            a.shape == b.shape and torch.equal(a, b)
            for a, b in zip(one.outputs, two.outputs, strict=True)
        )
        if not same and one.name not in {"empty", "new_empty", "empty_like"}:
            return one
    return None


def _frozen_mode(evidence: Evidence, probe: Probe, operator: TracedOperator) -> Finding | None:
    """Return a finding if torch.fx traced a network in train mode, with dropout switched on."""
    traced = [m for m in probe.network.modules() if isinstance(m, fx.GraphModule)]
    if operator.name not in DROPOUTS or not traced:
        return None
    built = evidence.record.construction(traced[0])
    site = site_of(evidence, built.places) if built else None
    return Finding(
        kind="state/trace_control_flow",
        message="the traced network keeps its dropout in eval mode",
        evidence="torch.fx.symbolic_trace reads self.training once, as True; eval() does not "
        "change the graph",
        violates=LAWS,
        cause=location(built.places) if built else None,
        subject=operator.name,
        cases=("state/fx_trace_frozen_mode",),
        candidates=_untraced(site) if site else (),
        confidence=8,
    )


def _untraced(site: Site) -> tuple[Candidate, ...]:
    if not site.call.args:
        return ()
    new = site.source.text_of(site.call.args[0])
    return candidates((1, partial(edits.replace, site.source, [(site.call, new)])))


def _mask(evidence: Evidence, operator: TracedOperator) -> Finding | None:
    """Return a finding if an operator draws a mask that is scaled as that of dropout."""
    site = site_of(evidence, operator.places)
    if site is None or operator.name not in MASKS:
        return None
    function = site.source.function_of(site.call)
    if function is None or "training" in ast.unparse(function) or not _scales(function):
        return None
    place = operator.places[0]
    return Finding(
        kind="training/functional_dropout",
        message=f"{place.text} drops values in eval mode too",
        evidence=f"two passes of one input in eval mode differ from this {operator.name} on, and "
        f"{function.name}() does not look at self.training",
        violates=LAWS,
        cause=Location(place.file, place.line),
        subject=place.text,
        cases=("module/functional_dropout_ignores_eval",),
        candidates=_only_in_training(site, function),
        confidence=8,
    )


def _scales(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function divides by a probability that its mask is drawn with."""
    nodes = list(ast.walk(function))
    drawn = [ast.unparse(n) for n in nodes if isinstance(n, ast.Call | ast.BinOp)]
    masks = [text for text in drawn if any(word in text for word in MASKS)]
    masks += [ast.unparse(n) for n in nodes if isinstance(n, ast.Compare)]
    return any(divisor in text for divisor in map(ast.unparse, _divisors(nodes)) for text in masks)


def _divisors(nodes: list[ast.AST]) -> Iterator[ast.expr]:
    """Yield what is divided by, as an operator or as a method."""
    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield node.right
        elif isinstance(node, ast.Call) and called_name(node) in {"div", "div_"}:
            yield from node.args[:1]


def _only_in_training(
    site: Site, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> tuple[Candidate, ...]:
    names = [argument.arg for argument in function.args.args]
    if site.source.class_of(function) is None or len(names) < 2:  # noqa: PLR2004  (self and the input)
        return ()
    first = function.body[0]
    lines = (f"if not {names[0]}.training:", f"    return {names[1]}")
    return candidates((0, partial(edits.insert_before, site.source, first, *lines)))
