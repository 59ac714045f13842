"""The labels of CTC do not contain the blank.

https://docs.pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html: "the target index cannot be
blank". A label that is the blank can never be decoded.
"""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "the labels of a CTC loss do not contain the blank",
    stays_quiet="about padding, which the lengths of the targets leave out",
)
def blank_among_labels(evidence: Evidence) -> Iterator[Finding]:
    """Find classes that are numbered from 0, which is the blank."""
    require_success(evidence)
    for calls in by_place(evidence, "ctc_loss"):
        received = [call.ctc for call in calls if call.ctc]
        blanks = sum(ctc.blanks for ctc in received)
        if not blanks:
            continue
        numbering = list(_numberings(evidence)) if received[0].blank == 0 else []
        labels = sum(ctc.labels for ctc in received)
        symptom = location(calls[0].operator.places)
        yield Finding(
            kind="loss/target_out_of_range",
            message=f"the labels of ctc_loss contain {received[0].blank}, the blank: it can never "
            "be decoded as a label",
            evidence=f"{blanks} of {labels} labels in {len(received)} calls are the blank",
            cause=location_in(*numbering[0]) if len(numbering) == 1 else symptom,
            symptom=symptom,
            cases=("loss/ctc_infinite",),
            candidates=candidates(
                *(
                    (0, partial(edits.set_argument, s, call, "start", 1, "1"))
                    for s, call in numbering
                )
            ),
            confidence=10,
        )


def _numberings(evidence: Evidence) -> Iterator[tuple[Source, ast.Call]]:
    """Yield each `enumerate(...)` in `{label: number for number, label in enumerate(...)}`."""
    for source in evidence.user_sources:
        for node in source.expressions:
            if not isinstance(node, ast.DictComp) or not _keeps_numbers(node):
                continue
            call = node.generators[0].iter
            if (
                isinstance(call, ast.Call)
                and called_name(call) == "enumerate"
                and argument(call, "start", 1) is None
            ):
                yield source, call


def _keeps_numbers(node: ast.DictComp) -> bool:
    """Return whether the values are the numbers, and the keys what is numbered."""
    names = [part.id for part in ast.walk(node.generators[0].target) if isinstance(part, ast.Name)]
    kept = [part.id for part in (node.value, node.key) if isinstance(part, ast.Name)]
    return names == kept and len(kept) == 2  # noqa: PLR2004  (a number and its label)
