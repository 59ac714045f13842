"""Networks infer in eval mode."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.predicting import returns_output
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.training.inference_graphs import followed
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

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.values import Value

CHECKED = 50  # forward passes of a kind that are looked at
NO_GRAD = ("no_grad", "inference_mode")
# Operators that do not use the values of their inputs for a result.
LAYOUT = frozenset({"flatten", "view", "reshape", "squeeze", "unsqueeze", "detach", "cpu", "to"})


@rule(
    "forward passes without gradients are in eval mode",
    stays_quiet="about forward passes whose output ends in a loss, is neither used nor returned, "
    "or is passed to another network; repeated passes of one input; passes in constructors; and "
    "networks with a train() of their own",
)
def infers_in_train_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find predictions and validations that dropout and batch statistics distort."""
    require_success(evidence)
    suspects = [p for p in _in_train_mode(evidence) if not p.grad_enabled]
    for forward in suspects[:CHECKED]:
        if _is_on_purpose(evidence, forward, suspects):
            continue
        yield _finding(forward, "runs without gradients", evidence)
        return


@rule(
    "batches of a loader that nothing trains on are predicted in eval mode",
    stays_quiet="about outputs that are not used, networks that were not trained before, repeated "
    "passes of one input, programs that compute gradients with autograd.grad, and networks with a "
    "train() of their own",
)
def validates_in_train_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find validations that dropout and batch statistics distort, and that build a graph."""
    require_success(evidence)
    held_out = _held_out(evidence)
    if not held_out or any(b.kind == "grad" for b in evidence.record.backward_passes):
        return
    passes = followed(evidence, [p for p in _in_train_mode(evidence) if p.grad_enabled])
    suspects = [p for p in passes if not evidence.flow.is_in_loss(p)]
    for forward in suspects[:CHECKED]:
        received = evidence.flow.ancestors(forward.received)
        unused = not any(evidence.flow.consumers(value) for value in forward.returned)
        if held_out.isdisjoint(received) or unused or not _was_trained(evidence, forward):
            continue
        if not _is_repeated(forward, suspects) and not _is_sampled(evidence, forward):
            what = "predicts a batch of a loader that no backward pass depends on"
            yield _finding(forward, what, evidence)
            return


def _finding(forward: ForwardPass, what: str, evidence: Evidence) -> Finding:
    site = site_of(evidence, forward.places)
    repairs = _without_graph if forward.grad_enabled else _to_eval
    return Finding(
        kind="training/forgot_eval",
        message="the network infers in train mode: eval() is not called before",
        evidence=f"forward pass {forward.number} {what}, and its dropout or "
        "normalization layers are in train mode",
        violates=(Law.INFERS_IN_EVAL_MODE,),
        cause=location(forward.places),
        subject=forward.places[0].text if forward.places else "",
        cases=("training/missing_eval_mode",),
        candidates=repairs(site) if site else (),
        confidence=7,
    )


def _held_out(evidence: Evidence) -> set[Value]:
    """Return the tensors of loaders of which no batch takes part in a backward pass."""
    loaders = evidence.record.loaders
    unused = [one for one in loaders if not any(trains(evidence, e) for e in one.epochs)]
    if len(unused) == len(loaders):
        return set()
    return {v for one in unused for e in one.epochs for batch in e.values for v in batch}


def _was_trained(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether an optimizer has changed the network before a forward pass."""
    own = set(forward.parameters)
    return any(
        own & set(step.parameters) and step.moment.forward_passes < forward.moment.forward_passes
        for step in evidence.record.optimizer_steps
    )


def _in_train_mode(evidence: Evidence) -> list[ForwardPass]:
    """Return the passes of networks in train mode with layers that depend on the mode."""
    own = [s.network for s in evidence.record.structures if any(m.train_line for m in s.modules)]
    passes = (p for p in evidence.record.passes if all(p.network is not one for one in own))
    return [p for p in passes if _infers_in_train(p)]


def _infers_in_train(forward: ForwardPass) -> bool:
    modal = forward.training and True in forward.modes and bool(forward.parameters)
    built = any(place.function == "__init__" for place in forward.places)
    return forward.whole and modal and not built


def _is_repeated(forward: ForwardPass, suspects: list[ForwardPass]) -> bool:
    same = [p for p in suspects if p.network is forward.network and p.received == forward.received]
    return len(same) > 1


def _is_on_purpose(evidence: Evidence, forward: ForwardPass, suspects: list[ForwardPass]) -> bool:
    used = _is_used(evidence, forward) or returns_output(evidence, forward)
    if _is_repeated(forward, suspects) or not used or _is_sampled(evidence, forward):
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
        (0, partial(edits.insert_before, source, target, call)),
        (1, partial(edits.insert_before, source, site.outermost, call)),
        (2, partial(edits.insert_before, source, site.statement, call)),
    )


def _without_graph(site: Site) -> tuple[Candidate, ...]:
    """Return patches that predict in eval mode and under no_grad(): a loop, or one statement."""
    source, call = site.source, f"{site.called}.eval()"
    around = "\n" + edits.indentation(source, site.outermost) + "with torch.no_grad():"
    return candidates(
        (0, partial(edits.wrap, source, site.outermost, call + around)),
        (1, partial(_around, source, site)),
    )


def _around(source: Source, site: Site) -> Patch:
    """Return a patch that switches to eval mode for one statement, and back."""
    text, called = source.text_of(site.statement), site.called
    lines = [f"{called}.eval()", "with torch.no_grad():", "    " + text, f"{called}.train()"]
    new = ("\n" + edits.indentation(source, site.statement)).join(lines)
    return edits.replace(source, [(site.statement, new)])


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
