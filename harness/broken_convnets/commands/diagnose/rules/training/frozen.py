"""What is frozen is frozen on purpose, and completely."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator, Parameter

LASTING = 10  # passes: a GAN freezes its discriminator for fewer
TRAINING = 5  # position of `training` among the arguments of batch_norm
WITH_STATISTICS = 5  # tensors: the input, the running mean and variance, the weight and the bias


@rule(
    "requires_grad is set on parameters, not on modules",
    stays_quiet="if no module has an attribute of this name",
)
def requires_grad_on_module(evidence: Evidence) -> Iterator[Finding]:
    """Find `module.requires_grad = False`, which freezes nothing."""
    frozen = _with_the_attribute(evidence)
    if not frozen:
        return
    path = next(iter(frozen))
    found = _assignment(evidence, path)
    cause = location_in(*found) if found else None
    yield Finding(
        kind="training/frozen_layers",
        message=f"requires_grad is set on the module {path or 'itself'}, which has no effect",
        evidence=f"{frozen[path]} has an attribute requires_grad that PyTorch does not read; "
        "requires_grad_() sets it for every parameter",
        violates=(Law.PARAMETERS_AS_DECLARED,),
        cause=cause,
        subject=path,
        module=path,
        cases=("training/requires_grad_on_module",),
        candidates=_on_parameters(*found) if found else (),
        confidence=9,
    )


def _with_the_attribute(evidence: Evidence) -> dict[str, str]:
    """Return the types of the modules that have it, before the first pass or at the end."""
    before = {
        module.path: module.type
        for structure in evidence.record.structures
        for module in structure.modules
        if module.frozen_attribute
    }
    later = {
        path: type(module).__name__
        for network in evidence.record.kept_networks
        for path, module in network.named_modules()
        if isinstance(vars(module).get("requires_grad"), bool)
    }
    return before | later


def _assignment(evidence: Evidence, path: str) -> tuple[Source, ast.Assign] | None:
    """Return the assignment to the module's attribute: by its name, or the only one there is."""
    every = [
        (source, node)
        for source in evidence.user_sources
        for node in source.nodes
        if isinstance(node, ast.Assign) and _target(node) is not None
    ]
    last = path.rpartition(".")[2]
    named = [one for one in every if _owner_name(one[1]) == last]
    chosen = named or every
    return chosen[0] if len(chosen) == 1 else None


def _target(node: ast.Assign) -> ast.Attribute | None:
    target = node.targets[0]
    is_it = isinstance(target, ast.Attribute) and target.attr == "requires_grad"
    return target if is_it and isinstance(target, ast.Attribute) else None


def _owner_name(node: ast.Assign) -> str:
    target = _target(node)
    owner = target.value if target else None
    return owner.attr if isinstance(owner, ast.Attribute) else ""


def _on_parameters(source: Source, node: ast.Assign) -> tuple[Candidate, ...]:
    target = _target(node)
    if target is None:
        return ()
    owner, value = source.text_of(target.value), source.text_of(node.value)
    return candidates(
        (0, lambda: edits.replace(source, [(node, f"{owner}.requires_grad_({value})")]))
    )


@rule(
    "the running statistics of frozen layers do not change",
    stays_quiet="about layers that are frozen for single passes, as in GANs, that run without "
    "gradients, or are in networks that train nothing",
)
def frozen_statistics_change(evidence: Evidence) -> Iterator[Finding]:
    """Find frozen batch normalization in train mode inside of a network that trains."""
    require_success(evidence)
    passes = (p for p in evidence.record.passes if p.whole and evidence.flow.is_in_loss(p))
    for forward in {id(p.network): p for p in passes}.values():
        if not _learns(evidence, forward):
            continue
        frozen = [p for p in _frozen(evidence, forward) if _normalizes(evidence, p)]
        if not frozen:
            continue
        path = frozen[0].name.rpartition(".")[0]
        change = _train_call(evidence, forward, frozen[0])
        yield Finding(
            kind="training/bn_stats_update_when_frozen",
            message=f"{path} is frozen, but its running statistics change",
            evidence=f"{path} is in train mode and none of its parameters requires gradients; "
            "each forward pass updates running_mean and running_var",
            violates=(Law.STATISTICS_STAY,),
            cause=location(change or forward.places),
            subject=path,
            module=path,
            cases=("training/frozen_batchnorm_statistics_update",),
            candidates=_to_eval(evidence, forward, change, _frozen_part(evidence, forward, path)),
            confidence=7,
        )
        return


def _learns(evidence: Evidence, forward: ForwardPass) -> bool:
    own = set(forward.parameters)
    return any(own & set(b.received) for b in evidence.record.backward_passes)


def _frozen(evidence: Evidence, forward: ForwardPass) -> list[Parameter]:
    """Return the parameters that were frozen before a forward pass."""
    parameters = [evidence.record.parameters[number] for number in forward.parameters]
    end = forward.operators_at_end or forward.moment.operators
    return [p for p in parameters if not p.requires_grad and p.frozen_since <= end]


def _normalizes(evidence: Evidence, parameter: Parameter) -> bool:
    """Return whether a frozen parameter is the weight of batch normalization that uses the batch.

    One that was trained before counts as frozen only if many passes have used it since.
    """
    count = len(_updates(evidence, parameter))
    return count >= (LASTING if parameter.ever_required_grad else 1)


def _updates(evidence: Evidence, parameter: Parameter) -> list[int]:
    """Return the numbers of the operators that change the statistics of a frozen layer."""
    uses = (o for value in parameter.values for o in evidence.flow.consumers(value))
    return [
        o.number
        for o in uses
        if o.number >= parameter.frozen_since and o.grad_enabled and updates_statistics(o)
    ]


def updates_statistics(operator: Operator) -> bool:
    """Return whether an operator is batch normalization that changes its running statistics."""
    training = operator.literals.get("training", operator.literals.get(TRAINING, False))
    normalizes = operator.name == "batch_norm" and len(operator.inputs) == WITH_STATISTICS
    return normalizes and bool(training)


def _frozen_part(evidence: Evidence, forward: ForwardPass, path: str) -> str:
    """Return the largest module around `path` that is frozen as a whole."""
    named = [evidence.record.parameters[number] for number in forward.parameters]
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        prefix = ".".join(parts[:length])
        inside = [p for p in named if p.name.startswith(f"{prefix}.")]
        if inside and not any(p.requires_grad for p in inside):
            return prefix
    return path


def _train_call(evidence: Evidence, forward: ForwardPass, frozen: Parameter) -> tuple[Place, ...]:
    """Return the call of train() that was the last one when the statistics first changed."""
    changes = evidence.record.mode_changes
    found = [c for c in changes if c.training and c.module is forward.network]
    first = min(_updates(evidence, frozen))
    before = [c for c in found if c.moment.operators <= first]
    return next((c.places for c in before[-1:] or found), ())


def _to_eval(
    evidence: Evidence, forward: ForwardPass, change: Sequence[Place], part: str
) -> tuple[Candidate, ...]:
    steps = "".join(f"[{x}]" if x.isdigit() else f".{x}" for x in part.split("."))
    call, trains = site_of(evidence, forward.places), site_of(evidence, change)
    attempts = []
    if trains is not None and trains.receiver:
        text = f"{trains.receiver}{steps}.eval()"
        attempts.append((0, lambda: edits.insert_after(trains.source, trains.statement, text)))
    if call is not None:
        own = f"{call.called}{steps}.eval()"
        attempts.append((1, lambda: edits.insert_before(call.source, call.outermost, own)))
    return candidates(*attempts)
