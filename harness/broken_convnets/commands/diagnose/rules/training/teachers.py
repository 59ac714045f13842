"""A network that only serves as a target is in eval mode while others learn from it."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.frozen import updates_statistics
from broken_convnets.commands.diagnose.rules.training.partial_copies import written_by
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass

STEPS = 2  # of an optimizer, between which the weights stay as they are


@rule(
    "a network whose weights stay, and whose output others learn from, is in eval mode",
    stays_quiet="about networks whose weights change, as those of a momentum encoder, that train "
    "later, that are copies of networks that train, or that are called twice with one input",
)
def teacher_in_train_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find teachers whose dropout and batch statistics distort what their students learn."""
    require_success(evidence)
    groups: dict[int, list[ForwardPass]] = {}
    for forward in evidence.record.passes:
        if forward.whole and forward.parameters and evidence.flow.is_in_loss(forward):
            groups.setdefault(id(forward.network), []).append(forward)
    for passes in groups.values():
        targets = [p for p in passes if _is_target(evidence, p)]
        if not targets or not _stays(evidence, passes, targets):
            continue
        forward = targets[0]
        site = site_of(evidence, forward.places)
        yield Finding(
            kind="training/forgot_eval",
            message="a network that does not train computes targets in train mode: eval() is not "
            "called",
            evidence=f"{len(targets)} forward passes run without gradients and end in the loss of "
            "another network, with dropout or normalization layers in train mode; the weights "
            "are the same at each",
            violates=(Law.INFERS_IN_EVAL_MODE,),
            cause=location(forward.places),
            subject=forward.places[0].text if forward.places else "",
            cases=("training/missing_eval_mode",),
            candidates=_to_eval(evidence, forward) if site else (),
            confidence=7,
        )
        return


def _is_target(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a pass is in train mode, and no gradient flows back into it."""
    if not forward.training or not (True in forward.modes or _has_norms(evidence, forward)):
        return False
    in_graph = [value for value in forward.returned if value.requires_grad]
    return not evidence.flow.backward_passes_from(in_graph)


def _has_norms(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether the statistics of a network change, as those of frozen layers do as well."""
    values = (v for n in forward.parameters for v in evidence.record.parameters[n].values)
    users = (o for value in values for o in evidence.flow.consumers(value))
    return any(map(updates_statistics, users))


def _stays(evidence: Evidence, passes: list[ForwardPass], targets: list[ForwardPass]) -> bool:
    """Return whether a network keeps its weights while an optimizer of another one steps."""
    first, last = targets[0], targets[-1]
    own = set(first.parameters)
    later = [b for b in evidence.record.backward_passes if b.moment >= first.moment]
    passes = [p for p in passes if p.moment >= first.moment]  # it may have been trained before
    if len(targets) < len(passes) or any(own & set(b.received) for b in later):
        return False
    if _waits(evidence, first) or _is_copy(evidence, first):
        return False
    if any(written_by(evidence, evidence.record.parameters[number]) for number in own):
        return False
    same = len({p.weights for p in targets}) == 1 and bool(first.weights)
    between = (
        s
        for s in evidence.record.optimizer_steps
        if first.moment.optimizer_steps <= s.number < last.moment.optimizer_steps
    )
    trained = [s for s in between if s.changed and not own & set(s.changed)]
    inputs = [p.received for p in targets]
    once = all(one != other for one, other in pairwise(inputs))
    return same and once and len(trained) >= STEPS


def _waits(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether an optimizer has the network, and has not stepped before a pass."""
    own = set(forward.parameters)
    earlier = [s for s in evidence.record.optimizer_steps if s.moment <= forward.moment]
    stepped = {number for step in earlier for number in step.parameters}
    optimizers = evidence.record.built_optimizers
    return any(own & set(o.parameters) and not own & stepped for o in optimizers)


def _is_copy(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether another network has, or had, the same weights."""
    others = (p for p in evidence.record.passes if p.network is not forward.network)
    return any(p.weights == forward.weights for p in others)


def _to_eval(evidence: Evidence, forward: ForwardPass) -> tuple[Candidate, ...]:
    """Return the changes that call eval() before the loops, or directly before the pass."""
    site = site_of(evidence, forward.places)
    if site is None:
        return ()
    targets = (site.outermost, site.statement)
    call = f"{site.called}.eval()"
    return candidates(
        *(
            (rank, partial(edits.insert_before, site.source, target, call))
            for rank, target in enumerate(targets)
        )
    )
