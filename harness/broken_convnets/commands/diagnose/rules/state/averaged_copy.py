"""A copy of a trained network has its BatchNorm statistics too."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch.nn.modules.batchnorm import _BatchNorm

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    assignments,
    candidates,
    location,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Copying = tuple["Source", ast.For, list[str]]  # a loop, and the texts of the copy and the other
PAIR = 2  # networks in a loop over their parameters
PARAMETERS = frozenset({"parameters", "named_parameters", "state_dict"})


@rule(
    "a copy of a trained network has its BatchNorm statistics too",
    stays_quiet="if no loop runs over the parameters of two networks, and about networks without "
    "BatchNorm",
)
def statistics_not_copied(evidence: Evidence) -> Iterator[Finding]:
    """Find an average of weights that is evaluated with the statistics of a new network."""
    require_success(evidence)
    if not evidence.record.optimizer_steps.count:
        return
    trained = {type(net) for net in _networks(evidence) if _updates(net) > 0}
    for forward in evidence.record.passes:
        net = forward.network()
        if net is None or type(net) not in trained or True in forward.modes:
            continue
        loop = next(_copying(evidence), None)
        if loop is None or _updates(net) or not _as_constructed(net):
            continue
        name = type(net).__name__
        yield Finding(
            kind="state/buffers_not_copied",
            message=f"this {name} is evaluated with the BatchNorm statistics of a new network",
            evidence=f"its running means are 0 and its variances 1, while another {name} was "
            "trained; `parameters()` does not include them: `buffers()` does",
            cause=location_in(loop[0], loop[1]),
            symptom=location(forward.places),
            subject=name,
            cases=("state/ema_without_batchnorm_statistics",),
            candidates=candidates(*_with_buffers(*loop)),
            confidence=8,
        )
        return


def _networks(evidence: Evidence) -> Iterator[nn.Module]:
    for forward in evidence.record.passes:
        net = forward.network()
        if net is not None:
            yield net


def _norms(net: nn.Module) -> list[_BatchNorm]:
    return [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


def _updates(net: nn.Module) -> int:
    """Return how many batches the statistics of a network have seen."""
    counts = [norm.num_batches_tracked for norm in _norms(net)]
    return max((int(count) for count in counts if count is not None), default=0)


def _as_constructed(net: nn.Module) -> bool:
    norms = _norms(net)
    return bool(norms) and all(
        norm.running_mean is not None
        and norm.running_var is not None
        and not norm.running_mean.any()
        and bool((norm.running_var == 1).all())
        for norm in norms
    )


def _copying(evidence: Evidence) -> Iterator[Copying]:
    """Yield the loops that copy the parameters of one network to another one."""
    for source in evidence.user_sources:
        for node in source.statements:
            call = node.iter if isinstance(node, ast.For) else None
            if not isinstance(node, ast.For) or not isinstance(call, ast.Call):
                continue
            if called_name(call) == "zip":
                owners = [_owner(source, one) for one in call.args]
                if len(owners) == PAIR and all(owners):
                    yield source, node, owners
            elif called_name(call) == "named_parameters":
                copy, other = _owner(source, call), _read_by_name(source, node)
                if copy and other and copy != other:
                    yield source, node, [copy, other]


def _owner(source: Source, call: ast.expr) -> str:
    """Return the text of the network in `net.parameters()`; empty for other expressions."""
    if not isinstance(call, ast.Call) or called_name(call) not in PARAMETERS:
        return ""
    return source.text_of(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def _read_by_name(source: Source, loop: ast.For) -> str:
    """Return the network in `others = dict(net.named_parameters())`, read as `others[name]`.

    Empty if the loop reads no parameters of another network by their names.
    """
    names = [part.id for part in ast.walk(loop.target) if isinstance(part, ast.Name)]
    for node in ast.walk(loop):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and isinstance(node.slice, ast.Name)
            and node.slice.id in names
        ):
            scope = source.function_of(loop) or source.tree
            for one in assignments(source, node.value.id, scope):
                value = one.value
                if isinstance(value, ast.Call) and called_name(value) == "dict" and value.args:
                    value = value.args[0]
                return _owner(source, value)
    return ""


def _with_buffers(
    source: Source, loop: ast.For, owners: list[str]
) -> Iterator[tuple[int, Callable[[], Patch]]]:
    """Yield the change that copies the buffers after the loop; the first network is the copy."""
    names = [f"{owner}.buffers()" for owner in owners]
    lines = (f"for mine, theirs in zip({', '.join(names)}):", "    mine.copy_(theirs)")
    yield 0, partial(edits.insert_after, source, loop, *lines)
