"""The parameters of a loss, such as the weights of its terms, are trained too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.structure.own_updates import computes_with_gradients
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Parameter

PASSES = 3  # of the loss, at least


@rule(
    "an optimizer has the parameters that a loss module defines itself",
    stays_quiet="unless a module with parameters of its own returns the loss, they receive "
    "gradients, no optimizer has any parameter of the module, and other networks are trained; "
    "about modules whose layers all come from elsewhere, as a perceptual loss has, that are in "
    "eval mode, that load weights, or whose weights the program changes itself",
)
def loss_is_not_trained(evidence: Evidence) -> Iterator[Finding]:
    """Find learned weights of tasks that are not passed to the optimizer."""
    require_success(evidence)
    record = evidence.record
    held = {n for one in record.built_optimizers for n in one.parameters}
    held |= {n for step in record.optimizer_steps for n in step.parameters}
    received = {number for one in record.backward_passes for number in one.received}
    groups: dict[int, list[ForwardPass]] = {}
    for one in record.passes:
        if one.parameters and held.isdisjoint(one.parameters) and _is_loss(evidence, one):
            groups.setdefault(id(one.network), []).append(one)
    for passes in groups.values():
        learning = [record.parameters[n] for n in passes[0].parameters if n in received]
        own = [one for one in learning if "." not in one.name and one.requires_grad]
        enough = min(len(passes), record.optimizer_steps.count) >= PASSES
        if own and enough and not _is_fixed(evidence, passes) and _trains(evidence, held):
            yield _finding(evidence, passes, learning, own)


def _is_fixed(evidence: Evidence, passes: list[ForwardPass]) -> bool:
    """Return whether a module is not to be trained, or is trained without an optimizer."""
    module = passes[0].network()
    parts = set() if module is None else set(module.modules())
    loaded = any(one.module() in parts for one in evidence.record.weight_loads)
    is_changed = any(map(computes_with_gradients, evidence.user_sources))
    return loaded or is_changed or not all(one.training for one in passes)


def _trains(evidence: Evidence, held: set[int]) -> bool:
    """Return whether an optimizer has parameters of a network, and not only of an input."""
    return any(not held.isdisjoint(one.parameters) for one in evidence.record.passes)


def _is_loss(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a module returned one number that a backward pass starts from, or a part."""
    numbers = [v for v in forward.returned if v.shape in {(), (1,)} and v.requires_grad]
    return any(value in evidence.flow.reaching_backward for value in numbers)


def _finding(
    evidence: Evidence, passes: list[ForwardPass], learning: list[Parameter], own: list[Parameter]
) -> Finding:
    built = next(iter(evidence.record.built_optimizers), None)
    name = type(passes[0].network()).__name__
    names = ", ".join(one.name for one in own[:3])
    return Finding(
        kind="training/frozen_and_wrong_optimizer",
        message=f"no optimizer has the parameters of {name}: {names} never change",
        evidence=f"{name} returns the loss, {len(learning)} of its parameters receive gradients, "
        f"and {built.type if built else 'the optimizer'} has none of them",
        violates=(Law.EVERY_PARAMETER_MOVES,),
        cause=location(built.places if built else passes[0].places),
        symptom=location(passes[0].places),
        subject=own[0].name,
        module=name,
        confidence=7,
    )
