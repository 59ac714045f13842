"""Networks train in train mode and infer in eval mode."""

from __future__ import annotations

import ast
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
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import ModeChange

CHECKED = 50  # forward passes of a kind that are looked at
NO_GRAD = ("no_grad", "inference_mode")
# Operators that do not use the values of their inputs for a result.
LAYOUT = frozenset({"flatten", "view", "reshape", "squeeze", "unsqueeze", "detach", "cpu", "to"})


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
        yield Finding(
            rule="trains_in_eval_mode",
            kind="training/forgot_train_after_val",
            message="the network trains in eval mode: train() is not called after eval()",
            evidence=f"forward pass {forward.number} of the network is in eval mode, and an "
            f"optimizer steps with its gradients; eval() was called at line "
            f"{change.places[0].line if change.places else '?'}",
            violates=(Law.TRAINS_IN_TRAIN_MODE,),
            cause=location(forward.places),
            symptom=location(forward.places),
            subject=forward.places[0].text if forward.places else "",
            cases=("training/missing_train_mode_after_validation",),
            candidates=_back_to_train(site, change) if site else (),
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


def _back_to_train(site: Site, change: ModeChange) -> tuple[Candidate, ...]:
    source, call = site.source, f"{site.called}.train()"
    loops = source.loops_around(site.call)
    lines = [place.line for place in change.places if place.file == source.path]
    shared = [
        loop for loop in loops if any(loop.lineno <= n <= (loop.end_lineno or n) for n in lines)
    ]
    targets = [*(loop.body[0] for loop in shared[:1]), site.outermost, site.statement]
    return candidates(
        *(
            (rank, partial(edits.insert_before, source, target, call))
            for rank, target in enumerate(targets)
        )
    )


@rule(
    "forward passes without gradients are in eval mode",
    stays_quiet="about forward passes whose output ends in a loss, is not used, or is passed to "
    "another network; repeated passes of one input; passes in constructors; and networks with a "
    "train() of their own",
)
def infers_in_train_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find predictions and validations that dropout and batch statistics distort."""
    require_success(evidence)
    own = [s.network for s in evidence.record.structures if any(m.train_line for m in s.modules)]
    passes = [p for p in evidence.record.passes if all(p.network is not one for one in own)]
    suspects = [p for p in passes if _infers_in_train(p)]
    for forward in suspects[:CHECKED]:
        if _is_on_purpose(evidence, forward, suspects):
            continue
        site = site_of(evidence, forward.places)
        yield Finding(
            rule="infers_in_train_mode",
            kind="training/forgot_eval",
            message="the network infers in train mode: eval() is not called before",
            evidence=f"forward pass {forward.number} runs without gradients, and its dropout or "
            "normalization layers are in train mode",
            violates=(Law.INFERS_IN_EVAL_MODE,),
            cause=location(forward.places),
            subject=forward.places[0].text if forward.places else "",
            cases=("training/missing_eval_mode",),
            candidates=_to_eval(site) if site else (),
            confidence=7,
        )
        return


def _infers_in_train(forward: ForwardPass) -> bool:
    modal = forward.training and True in forward.modes and bool(forward.parameters)
    built = any(place.function == "__init__" for place in forward.places)
    return forward.whole and modal and not forward.grad_enabled and not built


def _is_on_purpose(evidence: Evidence, forward: ForwardPass, suspects: list[ForwardPass]) -> bool:
    same_input = [
        p for p in suspects if p.network is forward.network and p.received == forward.received
    ]
    if len(same_input) > 1 or not _is_used(evidence, forward) or _is_sampled(evidence, forward):
        return True
    return evidence.flow.is_in_loss(forward) or _feeds_networks(evidence, forward)


def _is_used(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether the program computes anything with the output but its shape."""
    found = evidence.flow.descendants(forward.returned)
    users = (operator for value in found for operator in evidence.flow.consumers(value))
    return any(operator.name not in LAYOUT for operator in users)


def _is_sampled(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether the program stacks whole outputs, as Monte Carlo dropout does."""
    found = evidence.flow.descendants(forward.returned)
    users = (operator for value in found for operator in evidence.flow.consumers(value))
    return any(o.name == "stack" and any(v.shape for v in o.inputs) for o in users)


def _feeds_networks(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a network produces inputs of another one, as the generator of a GAN does."""
    passes = list(evidence.record.passes)
    produced = {v for p in passes if p.network is forward.network for v in p.returned}
    derived = {
        v for value in produced for o in evidence.flow.consumers(value) for v in o.outputs
    } | produced
    others = (p for p in passes if p.network is not forward.network and p.parameters)
    return any(value in derived for other in others for value in other.received)


def _to_eval(site: Site) -> tuple[Candidate, ...]:
    source, call = site.source, f"{site.called}.eval()"
    block = _no_grad_block(site)
    target = block or site.outermost
    return candidates(
        (0, lambda: edits.insert_before(source, target, call)),
        (1, lambda: edits.insert_before(source, site.outermost, call)),
        (2, lambda: edits.insert_before(source, site.statement, call)),
    )


def _no_grad_block(site: Site) -> ast.stmt | None:
    """Return the outermost `with torch.no_grad()` around the call in its function."""
    found = None
    for ancestor in site.source.ancestors(site.call):
        if isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef):
            break
        if isinstance(ancestor, ast.With):
            texts = [site.source.text_of(item.context_expr) for item in ancestor.items]
            if any(name in text for text in texts for name in NO_GRAD):
                found = ancestor
    return found
