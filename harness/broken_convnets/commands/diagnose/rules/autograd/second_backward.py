"""A backward pass uses a graph that no earlier backward pass has freed."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.autograd.carried import (
    carried_attributes,
    carried_names,
)
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator

Attempt = tuple[int, "Callable[[], Patch]"]
KIND = "training/backward_twice"


def both_passes(evidence: Evidence) -> tuple[BackwardPass, BackwardPass] | None:
    """Return the backward pass that failed, and an earlier one that freed a part of its graph."""
    if "second time" not in evidence.message and "freed" not in evidence.message:
        return None
    passes = list(evidence.record.backward_passes)
    failed = passes[-1] if passes and passes[-1].raised else None
    if failed is None:
        return None
    own = evidence.flow.ancestors(failed.roots)
    for earlier in reversed(passes[:-1]):
        shared = own & evidence.flow.ancestors(earlier.roots)
        if any(v.requires_grad and v.operator is not None for v in shared):
            return earlier, failed
    return (passes[-2], failed) if len(passes) > 1 else None


@rule(
    "a value that is carried from step to step is detached from the graph of the last step",
    stays_quiet="if nothing that requires gradients is carried over",
)
def state_keeps_graph(evidence: Evidence) -> Iterator[Finding]:
    """Find hidden states and running values that keep the graph of an earlier step."""
    frame = require_failure(evidence, RuntimeError)
    both = both_passes(evidence)
    if both is None or both[0].places[:1] != both[1].places[:1]:
        return
    if any(root in both[0].roots for root in both[1].roots):
        return
    found = next(iter((*carried_names(evidence), *carried_attributes(evidence))), None)
    if found is None:
        return
    yield Finding(
        kind=KIND,
        message=f"`{found.text}` carries the graph of the last step into the next one",
        evidence=f"backward pass {both[1].number + 1} reaches the graph that pass "
        f"{both[0].number + 1} has freed; detach `{found.text}` between two steps",
        cause=Location(found.source.path, found.line),
        symptom=frame_location(frame),
        subject=found.text,
        cases=("training/hidden_state_not_detached",),
        candidates=candidates(*found.attempts),
        confidence=10,
    )


@rule(
    "losses that share a graph go back through it together",
    stays_quiet="about a graph that is carried over from an earlier step",
)
def shared_graph_freed(evidence: Evidence) -> Iterator[Finding]:
    """Find a second backward pass through one graph, of another loss or of the same."""
    frame = require_failure(evidence, RuntimeError)
    both = both_passes(evidence)
    if both is None or not both[0].places or not both[1].places:
        return
    same = any(root in both[0].roots for root in both[1].roots)
    if both[0].places[0] == both[1].places[0] and not same:
        return
    first, second = site_of(evidence, both[0].places), site_of(evidence, both[1].places)
    if first is None or second is None:
        return
    undetached = _undetached(evidence, *both)
    call = site_of(evidence, undetached.places) if undetached else None
    what, why, attempts = _explained(call, first, second, same=same)
    cause = location(undetached.places) if undetached and call else location(both[0].places)
    yield Finding(
        kind=KIND,
        message=what,
        evidence=why,
        cause=location(both[1].places) if same else cause,
        symptom=frame_location(frame),
        subject=first.source.text_of(first.call),
        cases=("training/backward_twice",),
        candidates=candidates(*attempts),
        confidence=9,
    )


def _explained(
    call: Site | None, first: Site, second: Site, *, same: bool
) -> tuple[str, str, list[Attempt]]:
    """Return what is wrong, why, and the changes, for each way to use a graph twice."""
    one, two = first.receiver, second.receiver
    retain = (
        3,
        partial(edits.set_argument, first.source, first.call, "retain_graph", None, "True"),
    )
    if same:
        remove = (0, partial(edits.delete, second.source, second.statement))
        why = f"the first pass, at line {first.call.lineno}, has freed the graph of `{one}`"
        return f"backward() is called twice on `{two}`", why, [remove]
    if call is not None and call.call.args:
        text = shortened(call.source.text_of(call.call))
        argument = call.call.args[0]
        new = f"{call.source.text_of(argument)}.detach()"
        detach = (0, partial(edits.replace, call.source, [(argument, new)]))
        why = f"`{one}.backward()` goes back through it and frees the graph that `{two}` needs"
        return f"`{text}` receives a tensor that is not detached", why, [detach, retain]
    why = f"`{one}.backward()` at line {first.call.lineno} frees the graph that `{two}` shares"
    joined = [(0, partial(_joined, first, second))] if first.shares_block(second) else []
    return f"`{one}` and `{two}` share a graph, and each calls backward()", why, [*joined, retain]


def _joined(first: Site, second: Site) -> Patch:
    """Return one backward pass of the sum instead of two, where the second one is."""
    text = f"({first.receiver} + {second.receiver}).backward()"
    changed = edits.replace(second.source, [(second.call, text)])
    lines = changed[second.source.path].split("\n")
    start, end = first.statement.lineno - 1, first.statement.end_lineno or first.statement.lineno
    return {second.source.path: "\n".join([*lines[:start], *lines[end:]])}


def _undetached(
    evidence: Evidence, earlier: BackwardPass, failed: BackwardPass
) -> ForwardPass | None:
    """Return the forward pass that only the first loss needs, of a value that both need."""
    first = evidence.flow.ancestors(earlier.roots)
    second = evidence.flow.ancestors(failed.roots)
    for forward in evidence.record.passes:
        shared = [v for v in forward.received if v in first and v in second]
        graph = any(v.requires_grad and v.operator is not None for v in shared)
        returned = forward.returned
        alone = any(v in first for v in returned) and not any(v in second for v in returned)
        if forward.parameters and graph and alone and forward.places:
            return forward
    return None


@rule(
    "backward() starts from one number",
    stays_quiet="if backward() receives a gradient",
)
def backward_from_many_numbers(evidence: Evidence) -> Iterator[Finding]:
    """Find losses that are not reduced to a scalar."""
    frame = require_failure(evidence, RuntimeError)
    call = frame.call
    if "scalar outputs" not in evidence.message or call is None:
        return
    failed = evidence.record.backward_passes.latest
    root = failed.roots[0] if failed and failed.roots else None
    if root is None or not isinstance(call.func, ast.Attribute):
        return
    producer = evidence.record.producer(root)
    text, source = frame.source.text_of(call.func.value), frame.source
    made = producer.places[0] if producer and producer.places else None
    where = f", computed by {producer.name}()" if producer else ""
    unreduced = _unreduced(evidence, producer)
    new = [(call.func.value, f"{_atom(call, text)}.mean()")]
    reduced = (int(unreduced is not None), partial(edits.replace, source, new))
    yield Finding(
        kind="loss/backward_on_a_vector",
        message=f"`{text}` has shape {list(root.shape)}; backward() needs one number",
        evidence=f"it is {list(root.shape)}{where}"
        + (f" at line {made.line}" if made else "")
        + ": reduce it with mean() or sum()",
        cause=location((made,)) if unreduced and made else frame_location(frame),
        symptom=frame_location(frame) if unreduced or not made else location((made,)),
        subject=text,
        candidates=candidates(*_mean(unreduced), reduced, *_reductions(evidence)),
        confidence=10,
    )


def _unreduced(evidence: Evidence, producer: Operator | None) -> tuple[Source, ast.keyword] | None:
    """Return `reduction="none"` of the loss function that computed what backward() starts from."""
    site = site_of(evidence, producer.places) if producer else None
    for keyword in site.call.keywords if site else ():
        if site and keyword.arg == "reduction" and _is_none_text(keyword.value):
            return site.source, keyword
    return None


def _mean(found: tuple[Source, ast.keyword] | None) -> Iterator[Attempt]:
    if found is not None:
        yield 0, partial(edits.replace, found[0], [(found[1].value, '"mean"')])


def _atom(call: ast.Call, text: str) -> str:
    value = call.func.value if isinstance(call.func, ast.Attribute) else None
    simple = isinstance(value, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return text if simple or text.startswith("(") else f"({text})"


def _reductions(evidence: Evidence) -> Iterator[Attempt]:
    """Yield the changes of `reduction="none"`."""
    for source in {frame.source.path: frame.source for frame in evidence.frames}.values():
        for node in source.nodes:
            value = node.value if isinstance(node, ast.keyword) else None
            if isinstance(node, ast.keyword) and node.arg == "reduction" and _is_none_text(value):
                yield 1, partial(edits.replace, source, [(node.value, '"mean"')])


def _is_none_text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == "none"
