"""What is added to a loss can change it: no term is computed from an output under no_grad()."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.dataflow import CUTS
from broken_convnets.commands.diagnose.analysis.no_grad_blocks import no_grad_block
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.sites import candidates, location, location_in
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

STEPS = 400  # operators between an output of the network and a term of the loss, at most


@rule(
    "each term of the loss that is computed from an output has a gradient",
    stays_quiet="about terms that are detached, that are factors of others, or that depend on no "
    "output with a graph",
)
def term_under_no_grad(evidence: Evidence) -> Iterator[Finding]:
    """Find terms of a loss whose graph ends in a block without gradients."""
    seen: set[object] = set()
    for backward in evidence.record.backward_passes:
        for term in (one for root in backward.roots for one in terms(evidence, root)):
            constant = not term.value.requires_grad and term.value.shape == ()
            cut = _cut(evidence, term.value) if constant and term.path else None
            if cut is None or cut.place in seen:
                continue
            seen.add(cut.place)
            yield _finding(evidence, cut, term.path[-1], term.value)


def _finding(evidence: Evidence, cut: Operator, use: Operator, value: Value) -> Finding:
    site, block = no_grad_block(evidence, cut.places)
    cause = location(cut.places)
    if site and block:
        cause = location_in(site.source, site.call if len(block.body) > 1 else block)
    text = site.source.text_of(site.call) if site else cut.name
    number = "" if value.scalar is None else f", {value.scalar:.3g} here,"
    where = f" in {use.places[0].text}" if use.places else ""
    return Finding(
        kind="training/graph_detached",
        message=f"a term of the loss trains nothing: `{text}` runs without gradients",
        evidence=f"the term{number} depends on an output of the network, and is added to the "
        f"loss{where} as a constant",
        violates=(Law.GRADIENTS_MATCH_LOSS,),
        cause=cause,
        symptom=location(use.places),
        subject=text,
        cases=("training/loss_term_under_no_grad",),
        candidates=candidates(*with_gradients(site, block)) if site and block else (),
        confidence=8,
    )


def _cut(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that continues an output of the network without a graph."""
    waiting, known = [value], set[object]()
    for _ in range(STEPS):
        one = waiting.pop() if waiting else None
        operator = evidence.record.producer(one) if one is not None else None
        if operator is None or one in known:
            continue
        known.add(one)
        if operator.name in CUTS:
            continue
        graph = [v for v in operator.inputs if v.requires_grad and not v.parameter]
        if not operator.grad_enabled and any(map(evidence.flow.depends_on_network, graph)):
            return operator
        waiting += [v for v in operator.inputs if not v.requires_grad]
    return None


def with_gradients(site: Site, block: ast.With) -> Iterator[tuple[int, Callable[[], Patch]]]:
    """Yield the changes that take a call, or all, out of a block."""
    if len(block.body) > 1 and site.statement is block.body[-1]:
        yield 0, partial(edits.move, site.source, site.statement, block, after=True)
    yield 1, partial(edits.unwrap, site.source, block)
