"""What training has learned lasts: the state of the optimizer, the weights, the gradients."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, require_success, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.optimization import BuiltOptimizer
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

REPEATS = 3
INITIALIZERS = frozenset({"normal_", "uniform_", "trunc_normal_", "fill_", "zero_", "ones_"})


@rule(
    "an optimizer with a state lasts for the whole training",
    stays_quiet="about optimizers without a state, such as SGD without momentum; parameters that "
    "are reset in between; and optimizers that last for more than one epoch of one DataLoader",
)
def optimizer_recreated(evidence: Evidence) -> Iterator[Finding]:
    """Find optimizers that are constructed in the loop and forget their averages each time."""
    require_success(evidence)
    groups: dict[object, list[BuiltOptimizer]] = {}
    for built in evidence.record.built_optimizers:
        groups.setdefault((built.type, built.places[:1], built.parameters), []).append(built)
    for group in groups.values():
        if len(group) < REPEATS or not _has_state(group[0]) or not _lose_state(evidence, group):
            continue
        site = site_of(evidence, group[0].places)
        yield Finding(
            kind="training/not_learning",
            message=f"{group[0].type} is constructed anew in the loop and loses its state",
            evidence=f"{len(group)} optimizers are constructed for the same "
            f"{len(group[0].parameters)} parameters; each begins without an average of the "
            "gradients so far",
            cause=location(group[0].places),
            subject=group[0].type,
            candidates=_before_loop(site) if site else (),
            confidence=7,
        )


def _has_state(built: BuiltOptimizer) -> bool:
    return built.type not in {"SGD", "LBFGS"} or bool(built.settings.get("momentum"))


def _lose_state(evidence: Evidence, group: list[BuiltOptimizer]) -> bool:
    """Return whether each optimizer lasts for one step, or for one epoch of the same loader."""
    record = evidence.record
    begins = [built.moment.optimizer_steps for built in group]
    counts = [later - earlier for earlier, later in pairwise(begins)]
    if not all(counts) or _is_reset(evidence, group):
        return False
    if set(counts) == {1}:
        return True
    for loader in record.loaders:
        epochs = [e.moment.optimizer_steps for e in loader.epochs if e.batches > 1]
        inside = [sum(a <= e < b for e in epochs) for a, b in pairwise(begins)]
        if inside and set(inside) == {1}:
            return True
    return False


def _is_reset(evidence: Evidence, group: list[BuiltOptimizer]) -> bool:
    """Return whether the program writes to parameters between two of the constructions."""
    first, last = group[0].moment.operators, group[-1].moment.operators
    return any(
        first <= operator.number < last and operator.changed and operator.inputs[0].parameter
        for operator in evidence.record.operators
        if operator.inputs
    )


@rule(
    "weights are initialized once",
    stays_quiet="if the optimizer is constructed anew as well, as for each fold of a cross "
    "validation, and about weights that receive no gradient or are those of a new layer",
)
def weights_initialized_again(evidence: Evidence) -> Iterator[Finding]:
    """Find initializers in the training loop, which undo the steps before."""
    require_success(evidence)
    record = evidence.record
    total = record.optimizer_steps.count
    built = {one.places for one in record.constructions if one.kind == "module"}
    by_place: dict[tuple[Place, ...], list[Operator]] = {}
    for operator in record.operators:
        is_one = operator.name in INITIALIZERS and operator.inputs and operator.inputs[0].parameter
        if not is_one or _in_constructor(operator, built):
            continue
        if operator.places and 0 < operator.moment.optimizer_steps < total:
            by_place.setdefault(operator.places, []).append(operator)
    for places, operators in by_place.items():
        moments = sorted({operator.moment.optimizer_steps for operator in operators})
        if len(moments) < REPEATS - 1 or _optimizer_built(evidence, moments[0], moments[-1]):
            continue
        site = _in_loop(evidence, places)
        cause = (site and [place for place in places if place.line == site.call.lineno]) or places
        yield Finding(
            kind="training/not_learning",
            message="weights are initialized again during training, which undoes the steps before",
            evidence=f"{operators[0].name} overwrites parameters after {moments[0]} and again "
            f"after {moments[1]} of {total} optimizer steps",
            violates=(Law.EVERY_PARAMETER_MOVES,),
            cause=location(cause),
            symptom=location(places),
            subject=places[0].text,
            candidates=_before_loop(site) if site else (),
            confidence=7,
        )
        return


def _in_constructor(operator: Operator, built: set[tuple[Place, ...]]) -> bool:
    """Return whether it sets parameters that are new: no step has changed them yet."""
    return any(operator.places[depth:] in built for depth in range(len(operator.places)))


def _optimizer_built(evidence: Evidence, first: int, last: int) -> bool:
    built = evidence.record.built_optimizers
    return any(first <= one.moment.optimizer_steps <= last for one in built)


def _in_loop(evidence: Evidence, places: Sequence[Place]) -> Site | None:
    """Return the innermost call on the stack that is inside a loop, below other functions."""
    for place in places:
        site = site_of(evidence, (place,))
        if site and site.source.loops_around(site.call) and not _is_loop_of_layers(site):
            return site
    return None


def _is_loop_of_layers(site: Site) -> bool:
    loop = site.source.loops_around(site.call)[0]
    text = site.source.text_of(loop).partition("\n")[0]
    return any(word in text for word in ("modules()", "parameters()", "children()"))


def _before_loop(site: Site) -> tuple[Candidate, ...]:
    if site.outermost is site.statement:
        return ()
    move = partial(edits.move, site.source, site.statement, site.outermost, after=False)
    return candidates((0, move))
