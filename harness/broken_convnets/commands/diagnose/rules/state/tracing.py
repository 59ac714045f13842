"""A traced network computes what the network computes, for other inputs too."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.captured import CapturedNetwork
from broken_convnets.observe.laws import CHECKS
from broken_convnets.observe.laws.registry import judge_one
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Warned

DEPENDENT = "data-dependent"  # how torch.export calls a branch on values


@rule(
    "a traced network has no branch or loop that depends on its input",
    stays_quiet="unless torch.jit.trace warns about the user's own code and torch.export rejects "
    "the network or its dynamic batch size",
)
def control_flow_traced(evidence: Evidence) -> Iterator[Finding]:
    """Find branches on values and loops over a batch that a trace records for one input only."""
    require_success(evidence)
    warned = next(_warnings(evidence), None)
    if warned is None:
        return
    for traced in evidence.record.traced_networks:
        subject = CapturedNetwork(traced.network, traced.inputs)
        judged = evidence.probing.run(partial(judge_one, _EXPORTS, subject))
        if judged is None or judged.holds is not False:
            continue
        depends = DEPENDENT in judged.note
        what = "a branch depends on values" if depends else "a loop or size depends on the batch"
        yield Finding(
            kind="state/export_data_dependent" if depends else "state/trace_control_flow",
            message=f"the trace of {type(traced.network).__name__} is correct for its example "
            f"input only: {what}",
            evidence=f"torch.jit.trace warns: {_sentence(warned.message)}; torch.export rejects it",
            violates=(Law.EXPORTS,),
            cause=location(warned.places),
            subject=warned.places[0].text,
            cases=(
                "state/export_data_dependent_branch" if depends else "state/export_python_loop",
            ),
            confidence=6,
        )
        return


@rule(
    "a network is in eval mode when it is traced for inference",
    stays_quiet="if a backward pass follows the trace",
)
def traced_in_train_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find traces of networks with dropout or BatchNorm in train mode."""
    require_success(evidence)
    for traced in evidence.record.traced_networks:
        later = traced.moment.backward_passes < len(evidence.record.backward_passes)
        if not traced.train_mode or later or not traced.places:
            continue
        site = site_of(evidence, traced.places)
        network = argument(site.call, "func", 0) if site else None
        named = isinstance(network, ast.Name | ast.Attribute)
        name = site.source.text_of(network) if site and network is not None and named else ""
        change = site and partial(
            edits.insert_before, site.source, site.statement, f"{name}.eval()"
        )
        yield Finding(
            kind="state/trace_control_flow",
            message=f"{type(traced.network).__name__} is traced in train mode, and its trace stays "
            "in it",
            evidence=f"torch.jit.trace records what {' and '.join(traced.train_mode)} did in train "
            "mode; eval() of the trace does not change that",
            violates=(Law.DETERMINISTIC_IN_EVAL,),
            cause=location(traced.places),
            subject=traced.places[0].text,
            cases=("state/fx_trace_frozen_mode",),
            candidates=candidates((0, change)) if change and name else (),
            confidence=8,
        )


_EXPORTS = CHECKS[Law.EXPORTS]


def _warnings(evidence: Evidence) -> Iterator[Warned]:
    """Yield the warnings of a trace about lines of the user's own."""
    for one in evidence.record.warnings:
        if one.category == "TracerWarning" and one.places and one.places[0].file == one.file:
            yield one


def _sentence(message: str) -> str:
    return message.partition(". ")[0]
