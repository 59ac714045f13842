"""The optimizer has the parameters of the network that it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.structure.parameters_created_again import (
    created_again,
)
from broken_convnets.commands.diagnose.rules.training.loaded_parameters import loaded_parameters
from broken_convnets.commands.diagnose.rules.training.optimizer_parameter_fixes import (
    fixes,
    parameter_list,
)
from broken_convnets.commands.diagnose.sites import (
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.optimization import BuiltOptimizer
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Parameter

STEPS = 2  # after gradients of a layer that was unfrozen, at least
MANY = 4  # times the parameters that the optimizer has: a few are tuned on purpose


@dataclass(frozen=True)
class Missed:
    """Parameters of a network that receive gradients and that no optimizer has.

    `stray` is whether the optimizer has parameters that never receive a gradient instead.
    """

    forward: ForwardPass
    optimizer: BuiltOptimizer
    parameters: list[Parameter]
    stray: bool


@rule(
    "the optimizer has every trained parameter of its network",
    stays_quiet="about layers that run before all layers that the optimizer has, single tensors of "
    "a layer, and networks of which no optimizer has a parameter, unless an optimizer has "
    "parameters that receive no gradient, two optimizers have the same ones, or the parameters "
    "were unfrozen while an optimizer trains their network",
)
def optimizer_misses_parameters(evidence: Evidence) -> Iterator[Finding]:
    """Find layers that learn nothing because the optimizer was constructed without them."""
    require_success(evidence)
    for missed in _missed(evidence):
        names = [p.name for p in missed.parameters]
        site = site_of(evidence, missed.optimizer.places)
        listed = parameter_list(site) if site else None
        loaded = loaded_parameters(site) if site and missed.stray and not listed else None
        origin = f"; `{site.source.text_of(loaded)}` takes other tensors" if site and loaded else ""
        listed = listed or loaded
        other = "parameters that receive no gradient, and not " if missed.stray else "not "
        yield Finding(
            kind="training/frozen_and_wrong_optimizer",
            message=f"the optimizer has {other}{_listed(names)}",
            evidence=f"{len(names)} parameters receive gradients, and no optimizer has them; "
            f"{missed.optimizer.type} has {len(missed.optimizer.parameters)} parameters{origin}",
            violates=(Law.GRADIENTS_ARE_FRESH if missed.stray else Law.EVERY_PARAMETER_MOVES,),
            cause=location_in(site.source, listed)
            if site and listed
            else location(missed.optimizer.places),
            symptom=location(missed.optimizer.places) if loaded else None,
            subject=names[0],
            module=names[0].rpartition(".")[0],
            cases=(
                "training/optimizer_keeps_old_head"
                if missed.stray
                else "training/head_not_in_optimizer",
            ),
            candidates=fixes(evidence, missed.forward, site, stray=missed.stray) if site else (),
            confidence=8,
        )


def _missed(evidence: Evidence) -> Iterator[Missed]:
    record = evidence.record
    stepped = {number for step in record.optimizer_steps for number in step.parameters}
    built = [o for o in record.built_optimizers if set(o.parameters) & stepped]
    held = stepped | {number for o in record.built_optimizers for number in o.parameters}
    received = {number for b in record.backward_passes for number in b.received}
    received -= _put_back(evidence)
    received -= {one.current for chain in created_again(evidence) for one in chain}
    last = {id(one.network): one for one in record.passes if one.whole}
    living = {number for one in last.values() for number in one.parameters}
    for forward in last.values():
        own = set(forward.parameters)
        missing = [record.parameters[n] for n in sorted((own & received) - held)]
        if not missing:
            continue
        strays = [
            o
            for o in built
            if _have_none(evidence, set(o.parameters) - living - received)
            or _never_has_gradient(evidence, o)
        ]
        mine = [o for o in built if own & set(o.parameters)]
        if strays:
            yield Missed(forward, strays[-1], missing, stray=True)
        elif unfrozen := [p for p in missing if mine and _is_unfrozen(evidence, p, own)]:
            yield Missed(forward, mine[-1], unfrozen, stray=False)
        elif mine and _is_mistake(evidence, missing, own & held):
            yield Missed(forward, mine[-1], missing, stray=False)
        elif not mine and _have_the_same(built):
            yield Missed(forward, built[-1], missing, stray=False)


def _put_back(evidence: Evidence) -> set[int]:
    """Return the parameters that took the place of others for some time, as noisy weights do."""
    replaced = [one.replaces for one in evidence.record.parameters if one.replaces is not None]
    pairs = {(one.former, one.current) for one in replaced}
    return {current for former, current in pairs if (current, former) in pairs}


def _have_the_same(built: list[BuiltOptimizer]) -> bool:
    """Return whether two optimizers of two lines have the same parameters."""
    lines = {(one.parameters, one.places[:1]) for one in built}
    return len({parameters for parameters, _ in lines}) < len(lines)


def _have_none(evidence: Evidence, numbers: set[int]) -> bool:
    """Return whether none of some parameters has a gradient, not even one that is assigned."""
    given = {n for s in evidence.record.optimizer_steps for n in set(s.parameters) & numbers}
    given -= {n for s in evidence.record.optimizer_steps for n in s.without_gradient}
    return bool(numbers) and not given


def _never_has_gradient(evidence: Evidence, optimizer: BuiltOptimizer) -> bool:
    """Return whether an optimizer steps, and always without a gradient of any parameter."""
    own = set(optimizer.parameters)
    steps = [step for step in evidence.record.optimizer_steps if own == set(step.parameters)]
    return bool(steps) and all(own <= set(step.without_gradient) for step in steps)


def _is_unfrozen(evidence: Evidence, parameter: Parameter, network: set[int]) -> bool:
    """Return whether steps of its network follow gradients that it has since it was unfrozen.

    Who unfreezes a layer after the training, to look at its gradients, takes no step.
    """
    record = evidence.record
    filled = [b.number for b in record.backward_passes if parameter.number in b.received]
    steps = [s for s in record.optimizer_steps if network & set(s.parameters)]
    after = [s for s in steps if filled and s.moment.backward_passes > filled[0]]
    return parameter.unfrozen and len(after) >= STEPS


def _is_mistake(evidence: Evidence, missing: list[Parameter], held: set[int]) -> bool:
    """Return whether the missing layers can not have been left out on purpose.

    Who trains only the last layers, or only the biases, constructs the optimizer so.
    """
    parameters = evidence.record.parameters
    layers = {parameters[number].name.rpartition(".")[0] for number in held}
    if any(p.name.rpartition(".")[0] in layers for p in missing) or len(missing) > MANY * len(held):
        return False
    first_held = min((_first_use(evidence, parameters[number]) for number in held), default=0)
    return all(_first_use(evidence, p) > first_held for p in missing)


def _first_use(evidence: Evidence, parameter: Parameter) -> int:
    uses = [o.number for value in parameter.values for o in evidence.flow.consumers(value)]
    return min(uses, default=-1)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""  # noqa: PLR2004  (two are shown)
    return ", ".join(names[:2]) + more
