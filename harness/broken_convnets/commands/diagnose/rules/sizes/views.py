"""Rules: view and reshape fit the number of values, and view a tensor that is contiguous."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.lineage import MOVES, chain
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.views import View
from broken_convnets.commands.diagnose.analysis.sizes.wording import location_of_place, shape, where
from broken_convnets.commands.diagnose.edits import Patch, replace
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

INVALID = re.compile(r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)")
STRIDED = "view size is not compatible"


@rule(
    "view and reshape name a shape with as many values as the tensor has",
    stays_quiet="about reshaping inside of torch's own layers",
)
def view_has_other_size(evidence: Evidence) -> Iterator[Finding]:
    """Compare the shape that view names with the tensor: its batch, or its values per sample."""
    failed = failed_call(evidence)
    matched = INVALID.search(failed.message) if failed else None
    if failed is None or matched is None or not failed.received or failed.layer is not None:
        return
    sizes = tuple(int(number) for number in matched[1].split(","))
    why = View(evidence, failed, failed.received[0], sizes).explain()
    yield Finding(
        kind=why.kind,
        message=f"{list(sizes)} does not fit {shape(failed.received[0])}, "
        f"which has {matched[2]} values{why.short}",
        evidence=why.text,
        cause=why.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=why.cases,
        candidates=why.candidates,
        confidence=8,
    )


@rule(
    "view is called on a tensor whose memory allows the new shape",
    stays_quiet="about views inside of torch's own layers",
)
def view_of_non_contiguous_tensor(evidence: Evidence) -> Iterator[Finding]:
    """Find the operator that made the tensor non-contiguous."""
    failed = failed_call(evidence)
    if failed is None or STRIDED not in failed.message or failed.layer is not None:
        return
    value = failed.received[0] if failed.received else None
    moved = (
        next((o for o in chain(evidence.record, value) if o.name in MOVES), None) if value else None
    )
    since = f"{moved.name}{where(location_of_place(moved.place))}" if moved else "an earlier step"
    yield Finding(
        kind="shape/view_noncontiguous",
        message="view needs contiguous memory, and reshape does not",
        evidence=f"{shape(value) if value else 'the tensor'} is not contiguous since {since}",
        cause=location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=("shape/view_after_permute",),
        candidates=ranked(*_reshaped(evidence, failed)),
        confidence=9,
    )


def _reshaped(
    evidence: Evidence, failed: FailedCall
) -> Iterator[tuple[int, str, list[partial[Patch]]]]:
    source = evidence.source(failed.places[0].file)
    call = source.call_at(failed.places[0]) if source else None
    receiver = getattr(call.func, "value", None) if call else None
    if source is None or call is None or receiver is None:
        return
    yield 0, "", [partial(_method, source, call, receiver, "reshape")]
    yield LATER, "", [partial(_method, source, call, receiver, "contiguous().view")]


def _method(source: Source, call: ast.Call, receiver: ast.expr, name: str) -> Patch:
    return replace(source, [(call.func, f"{source.text_of(receiver)}.{name}")])
