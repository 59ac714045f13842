"""Networks train in train mode."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    Site,
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import ModeChange

CHECKED = 50  # forward passes of a kind that are looked at


@rule(
    "forward passes before an optimizer step are in train mode",
    stays_quiet="if only a part of the network is in eval mode, if the network was in eval mode "
    "from the start and was never validated, and about networks that the optimizer does not have",
)
def trains_in_eval_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find training that goes on in eval mode after a validation."""
    require_success(evidence)
    suspects = [p for p in evidence.record.passes if _is_whole_in_eval(p) and p.grad_enabled]
    for forward in [p for p in suspects if evidence.flow.is_in_loss(p)][:CHECKED]:
        change = _last_change(evidence, forward)
        if change is None or change.training or not _is_stepped(evidence, forward):
            continue
        if not _was_used_before(evidence, forward, change):
            continue
        site = site_of(evidence, forward.places)
        validation = _validation(evidence, site, change) if site else None
        yield Finding(
            kind="training/forgot_train_after_val",
            message="the network trains in eval mode: train() is not called after eval()",
            evidence=f"forward pass {forward.number} of the network is in eval mode, and an "
            f"optimizer steps with its gradients; eval() was called at line "
            f"{change.places[0].line if change.places else '?'}",
            violates=(Law.TRAINS_IN_TRAIN_MODE,),
            cause=location(change.places)
            if validation
            else location(_only_train(evidence, change) or forward.places),
            symptom=location(forward.places),
            subject=forward.places[0].text if forward.places else "",
            cases=("training/missing_train_mode_after_validation",),
            candidates=_back_to_train(site, change, validation) if site else (),
            confidence=8,
        )
        return


def _is_whole_in_eval(forward: ForwardPass) -> bool:
    return forward.whole and not forward.training and forward.modes == frozenset({False})


def _last_change(evidence: Evidence, forward: ForwardPass) -> ModeChange | None:
    """Return the last call of train() or eval() on the network before a forward pass."""
    changes = [
        change
        for change in evidence.record.mode_changes
        if change.module is forward.network
        and change.moment.forward_passes <= forward.moment.forward_passes
    ]
    return changes[-1] if changes else None


def _validation(evidence: Evidence, site: Site, change: ModeChange) -> ast.stmt | None:
    """Return the statement that validates between two batches, if train() comes before the loop.

    Such a validation in the middle of an epoch has to go back to train mode itself.
    """
    source, function = site.source, site.source.function_of(site.call)
    if function is None:
        return None
    lines = range(function.lineno, (function.end_lineno or function.lineno) + 1)
    own = [one for one in evidence.record.mode_changes if one.module is change.module]
    first = [one.places[0] for one in own if one.training and one.places]
    inside = [p for p in change.places[1:] if p.file == source.path and p.line in lines]
    trains = any(place.file == source.path and place.line in lines for place in first)
    found = source.statement_at(inside[0].line) if trains and inside else None
    loops = [source.loops_around(node)[:1] for node in (found, site.call) if node]
    return found if loops[0] and loops[0] == loops[-1] else None


def _only_train(evidence: Evidence, change: ModeChange) -> tuple[Place, ...]:
    """Return where train() is called once, before an eval() that the training repeats."""
    own = [one for one in evidence.record.mode_changes if one.module is change.module]
    trains = [one for one in own if one.training and one.places]
    repeated = sum(one.places[:1] == change.places[:1] for one in own) > 1
    return trains[0].places if len(trains) == 1 and repeated else ()


def _is_stepped(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether an optimizer steps with gradients that come from a forward pass."""
    own = set(forward.parameters)
    numbers = {b.number for b in evidence.flow.backward_passes_from(forward.returned)}
    return any(
        number in own and numbers & set(passes)
        for step in evidence.record.optimizer_steps
        if own & set(step.parameters)
        for number, passes in step.holds.items()
    )


def _was_used_before(evidence: Evidence, forward: ForwardPass, change: ModeChange) -> bool:
    """Return whether the network trained in train mode, or was validated after the eval()."""
    earlier = [
        p
        for p in evidence.record.passes
        if p.network is forward.network and p.number < forward.number
    ]
    validated = any(
        not p.grad_enabled and p.moment.forward_passes >= change.moment.forward_passes
        for p in earlier
    )
    return validated or any(p.training and evidence.flow.is_in_loss(p) for p in earlier)


def _back_to_train(
    site: Site, change: ModeChange, validation: ast.stmt | None
) -> tuple[Candidate, ...]:
    source, call = site.source, f"{site.called}.train()"
    loops = source.loops_around(site.call)
    lines = [place.line for place in change.places if place.file == source.path]
    shared = [
        loop for loop in loops if any(loop.lineno <= n <= (loop.end_lineno or n) for n in lines)
    ]
    targets = [*(loop.body[0] for loop in shared[:1]), site.outermost, site.statement]
    after = [(0, partial(edits.insert_after, source, validation, call))] if validation else []
    before = [
        (rank, partial(edits.insert_before, source, target, call))
        for rank, target in enumerate(targets, 1)
    ]
    return candidates(*after, *before)
