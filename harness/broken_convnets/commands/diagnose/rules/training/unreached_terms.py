"""Each term of a loss that depends on a trained network helps to train a network."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.analysis.no_grad_blocks import no_grad_block
from broken_convnets.commands.diagnose.analysis.reach import Reach, Reaching, explicit_cut
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.constant_terms import with_gradients
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.rules.training.lost_graph import uncut
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import (
        BackwardPass,
        Operator,
        OptimizerStep,
    )

LOOKS = 6  # backward passes of one line that are looked at
REPEATED = 2  # of them, at least


class Part(NamedTuple):
    """A term of a loss: the operator that returned it, and what it reaches."""

    maker: Operator
    reach: Reach
    alone: bool  # whether it is the whole loss
    constant: bool  # whether it has no gradient


class Wasted(NamedTuple):
    """A term that trains nothing, the cut before it, and the network in between."""

    part: Part
    cut: Operator
    entry: ForwardPass


@rule(
    "each term of a loss that is computed from a trained network reaches a parameter that a step "
    "updates",
    stays_quiet="unless the graph is cut before a network that computes the term, every gradient "
    "of that network from this line is cleared before its optimizer steps, and the parameters "
    "before the cut learn from the loss; about the same term in a loss that trains that network",
)
def term_reaches_no_trained_parameter(evidence: Evidence) -> Iterator[Finding]:
    """Find adversarial terms whose fake is detached in the step of the generator."""
    require_success(evidence)
    reaching, updates = Reaching(evidence), _Updates(evidence)
    useful: set[tuple[Operator, Place | None]] = set()
    wasted: list[list[Wasted]] = []
    for passes in _by_line(evidence):
        learned = updates.learned(passes)
        found: list[Wasted] = []
        at_times: set[Sequence[Place]] = set()
        for backward in dict.fromkeys([*passes[:LOOKS], *passes[-REPEATED:]]):
            for part in _parts(evidence, reaching, backward):
                if learned & part.reach.parameters or not part.reach.known:
                    useful.update((cut, part.maker.place) for cut in part.reach.cuts)
                    at_times.add(part.maker.places)
                elif updates.drops(backward, part.reach):
                    targets = learned or updates.next_learned(backward)
                    found += _wasted(evidence, reaching, part, targets)
        wasted.append([one for one in found if one.part.maker.places not in at_times])
    shared = {(cut.place, maker) for cut, maker in useful}
    for found in wasted:
        bad = [one for one in found if (one.cut.place, one.part.maker.place) not in shared]
        if len(bad) >= REPEATED:
            yield _finding(evidence, bad[0], {cut for cut, _ in useful})
            return


def _finding(evidence: Evidence, wasted: Wasted, useful: set[Operator]) -> Finding:
    part, cut, entry = wasted
    alike = [one for one in useful if one.place == cut.place]
    others = {place for one in alike for place in one.places}
    places = [place for place in cut.places if place not in others] or entry.places
    cause, text, fixes = location(places), cut.places[0].text, uncut(evidence, cut)
    if not cut.grad_enabled:
        site, block = no_grad_block(evidence, cut.places)
        text = site.source.text_of(site.call) if site else cut.name
        fixes = candidates(*with_gradients(site, block)) if site and block else ()
        if site and block and not alike:
            cause = location_in(site.source, site.call if len(block.body) > 1 else block)
    network = entry.network()
    named = "a network" if network is None else type(network).__name__
    which = "has no gradient" if part.constant else f"reaches only parameters of {named}"
    fate = "" if part.constant else ", whose gradients are cleared before its optimizer steps"
    subject = part.maker.places[0].text if part.maker.places else part.maker.name
    how = "is detached in" if cut.grad_enabled else "runs without gradients in"
    return Finding(
        kind="training/graph_detached",
        message=f"a term of the loss trains nothing: the input of {named} {how} `{text}`",
        evidence=f"`{subject}` {which}{fate}; the parameters that the other terms train are "
        "before the cut",
        violates=(Law.GRADIENTS_MATCH_LOSS,),
        cause=cause,
        symptom=location(part.maker.places),
        subject=subject,
        candidates=() if alike else fixes,
        confidence=7,
    )


def _by_line(evidence: Evidence) -> list[list[BackwardPass]]:
    """Return the calls of backward() by where they are called from, those of closures left out.

    One line may be called for several optimizers in turn.
    """
    closures = {step.places[0] for step in evidence.record.optimizer_steps if step.places}
    steps = list(evidence.record.optimizer_steps)
    begins = [step.moment.backward_passes for step in steps]
    found: dict[object, list[BackwardPass]] = {}
    for backward in evidence.record.backward_passes:
        if backward.kind == "backward" and closures.isdisjoint(backward.places):
            after = steps[bisect_right(begins, backward.number) :][:1]
            key = (backward.places, after[0].parameters if after else None)
            found.setdefault(key, []).append(backward)
    return [passes for passes in found.values() if len(passes) >= REPEATED]


def _parts(evidence: Evidence, reaching: Reaching, backward: BackwardPass) -> Iterator[Part]:
    """Yield the terms of a loss that are numbers, or have a gradient."""
    found = [term for root in backward.roots for term in terms(evidence, root)]
    for term in found:
        maker, constant = evidence.record.producer(term.value), not term.value.requires_grad
        is_cut = maker is not None and explicit_cut(maker)
        if maker is not None and not is_cut and (term.value.shape == () or not constant):
            yield Part(maker, reaching.of([term.value]), len(found) == 1, constant)


def _wasted(
    evidence: Evidence, reaching: Reaching, part: Part, targets: set[int]
) -> Iterator[Wasted]:
    """Yield a term if the parameters that learn are behind a cut, and a network after it."""
    for cut in part.reach.cuts:
        entry = _entry(evidence, cut, part) if targets and cut.places else None
        if entry is not None and targets & reaching.of(cut.inputs).parameters:
            yield Wasted(part, cut, entry)
            return


def _entry(evidence: Evidence, cut: Operator, part: Part) -> ForwardPass | None:
    """Return the pass with a graph that receives what was cut, and that a term depends on."""
    later = evidence.flow.descendants([*cut.outputs, *cut.changed])
    between = later & part.reach.values
    for forward in evidence.record.passes:
        if cut.number < forward.moment.operators <= part.maker.number and forward.parameters:
            into, out = between & {*forward.received}, between & {*forward.returned}
            if into and out and forward.grad_enabled:
                return forward
    return None


class _Updates:
    """Which gradients the steps of the optimizers use."""

    def __init__(self, evidence: Evidence) -> None:
        """Index the steps by the backward passes that they use."""
        self._parameters = evidence.record.parameters
        self._steps = [*evidence.record.optimizer_steps]
        self._learned: dict[int, set[int]] = {}  # by number of backward pass
        for step in self._steps:
            for key in step.parameters:
                for number in step.holds.get(key, ()):
                    self._learned.setdefault(number, set()).add(key)

    def learned(self, passes: list[BackwardPass]) -> set[int]:
        """Return the parameters that any step updates with a gradient of these passes."""
        return {key for one in passes for key in self._learned.get(one.number, ())}

    def drops(self, backward: BackwardPass, reach: Reach) -> bool:
        """Return whether all that a term reaches is updated later, without its gradients."""
        needed = {n for n in reach.parameters if self._parameters[n].ever_required_grad}
        later = (s for s in self._steps if s.moment.backward_passes > backward.number)
        return needed <= {key for step in later for key in step.parameters if step.holds.get(key)}

    def next_learned(self, backward: BackwardPass) -> set[int]:
        """Return the parameters that the next step updates, if no other one comes before."""
        later = (s for s in self._steps if s.moment.backward_passes > backward.number)
        step: OptimizerStep | None = next(later, None)
        return {key for key in step.parameters if step.holds.get(key)} if step else set()
