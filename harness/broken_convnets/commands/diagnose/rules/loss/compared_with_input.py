"""An evaluation compares the output of a network with the target, not with its own input."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.comparisons import (
    Comparison,
    comparisons,
    leaves_torch,
    same_numbers,
    unread_target,
)
from broken_convnets.commands.diagnose.rules.loss.target_names import name_of_target
from broken_convnets.commands.diagnose.sites import (
    assigned_name,
    candidates,
    location,
    require_success,
    site_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.values import Value

SCORE = re.compile(
    r"psnr|ssim|acc|eval|valid|test|score|metric|err|mae|mse|rmse|loss|quality|perf", re.IGNORECASE
)
TORCH = ("F.", "torch.", "nn.")
TRAINED = 8  # passes of training that are looked at
JUDGED = 64  # and passes of an evaluation


@rule(
    "an evaluation compares the output of a network with the target, not with its own input",
    stays_quiet="unless training compares the outputs with other tensors than the inputs, and the "
    "evaluation compares them with nothing but the inputs and reads no other tensor of this shape, "
    "though it has one; about outputs that leave torch. A warning unless a name says that the "
    "result is a score, as it may be how much the network changes its input",
)
def compared_with_its_input(evidence: Evidence) -> Iterator[Finding]:
    """Find `psnr(lowres, net(lowres))`, where `highres` is not read."""
    require_success(evidence)
    networks: dict[tuple[int, ...], list[ForwardPass]] = {}
    for forward in evidence.record.passes:
        if forward.parameters and _keeps_shape(forward):
            networks.setdefault(forward.parameters, []).append(forward)
    for passes in networks.values():
        trained = [one for one in passes if evidence.flow.is_in_loss(one)][:TRAINED]
        if not trained or not all(_has_own_target(evidence, one) for one in trained):
            continue
        judged = [one for one in passes if _is_judged(evidence, one)]
        for alike in _by_place(judged).values():
            finding = _judge(evidence, alike[:JUDGED])
            if finding is not None:
                yield finding
                return


def _by_place(passes: list[ForwardPass]) -> dict[Place, list[ForwardPass]]:
    found: dict[Place, list[ForwardPass]] = {}
    for one in passes:
        if one.places:
            found.setdefault(one.places[0], []).append(one)
    return found


def _judge(evidence: Evidence, passes: list[ForwardPass]) -> Finding | None:
    """Return a finding if each of the passes of one call is compared with its input alone.

    A later one may be compared with the target, as after the last epoch.
    """
    wrong = [_with_input(evidence, one) for one in passes]
    pairs = [(one, found) for one, found in zip(passes, wrong, strict=True) if found is not None]
    if len(pairs) < len(passes):
        return None
    forward, first = pairs[0]
    target = unread_target(evidence, forward, first)
    return None if target is None else _finding(evidence, forward, first, target)


def _keeps_shape(forward: ForwardPass) -> bool:
    """Return whether a network returned one tensor of the shape of its first input."""
    both = forward.received[:1], forward.returned
    return all(len(one) == 1 for one in both) and both[0][0].shape == both[1][0].shape


def _has_own_target(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a pass of training is compared with a target that its input is not made of."""
    entered = same_numbers(evidence, forward.received[0])
    sources = evidence.flow.ancestors(forward.received)
    found = comparisons(evidence, forward)
    apart = [one for one in found if one.other not in entered and one.other not in sources]
    return bool(found) and len(apart) == len(found)


def _is_judged(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a pass has no graph, and no backward pass depends on it."""
    has_graph = any(value.requires_grad for value in forward.returned)
    return not has_graph and not evidence.flow.is_in_loss(forward)


def _with_input(evidence: Evidence, forward: ForwardPass) -> Comparison | None:
    """Return how the output is compared with the input, if it is compared with nothing else."""
    found = comparisons(evidence, forward)
    entered = same_numbers(evidence, forward.received[0])
    if not found or leaves_torch(evidence, forward):
        return None
    metric = all(one.other in entered and one.is_metric for one in found)
    return found[0] if metric else None


def _finding(evidence: Evidence, forward: ForwardPass, wrong: Comparison, target: Value) -> Finding:
    places = _caller(forward, wrong)
    name = name_of_target(evidence, forward, target)
    shown = f"`{name}`" if name else "the batch"
    return Finding(
        kind="loss",
        message=f"`{places[0].text}` compares the output of the network with its own input, not "
        "with the target",
        severity=Severity.ERROR if _is_score(evidence, places) else Severity.WARNING,
        evidence=f"{wrong.operator.name} reads the input {list(forward.received[0].shape)} of "
        f"`{forward.places[0].text}` and its output; {shown} has a tensor of this shape that "
        "nothing reads, while training compares the outputs with a target of their own",
        cause=location(places),
        symptom=location(wrong.operator.places),
        subject=places[0].text,
        candidates=_with_target(evidence, forward, places, name),
        confidence=8,
    )


def _is_score(evidence: Evidence, places: Sequence[Place]) -> bool:
    """Return whether the function, what it calls, or what it assigns has the name of a score."""
    site = site_of(evidence, places)
    if site is None:
        return False
    source, statement = site.source, site.statement
    function = source.function_of(site.call)
    names = [getattr(function, "name", ""), assigned_name(source, statement)]
    called = source.text_of(site.call.func)
    names += [] if called.startswith(TORCH) else [called]
    if isinstance(statement, ast.AugAssign):
        names.append(source.text_of(statement.target))
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        names.append(source.text_of(statement.value.func))
    return any(SCORE.search(name) for name in names)


def _caller(forward: ForwardPass, wrong: Comparison) -> tuple[Place, ...]:
    """Return the places of the comparison from the function that calls the network outward."""
    places, caller = wrong.operator.places, forward.places[0]
    for index, place in enumerate(places):
        if (place.file, place.function) == (caller.file, caller.function):
            return places[index:]
    return places


def _with_target(
    evidence: Evidence, forward: ForwardPass, places: tuple[Place, ...], name: str
) -> tuple[Candidate, ...]:
    """Return the change that passes the target to the metric where it receives the input."""
    site, network = site_of(evidence, places), site_of(evidence, forward.places)
    if site is None or network is None or not name or len(network.call.args) != 1:
        return ()
    entered = network.source.text_of(network.call.args[0])
    changes = [(one, name) for one in site.call.args if site.source.text_of(one) == entered]
    return candidates((0, partial(edits.replace, site.source, changes))) if changes else ()
