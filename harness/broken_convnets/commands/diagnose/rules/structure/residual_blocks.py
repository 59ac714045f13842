"""A residual block adds its input to what its layers return."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.classes import class_sources
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ModuleCall

# Names of a class of blocks, such as ResnetBlock, ResidualUnit, Res_Block and ResBlock2d.
RESIDUAL = re.compile(r"^(basic|my)?res(net|idual)?_?(block|unit|layer)\d?d?$", re.IGNORECASE)
LAYERS = 2  # with parameters, at least


@rule(
    "a block that is called residual adds its input to its output",
    stays_quiet="unless a class has such a name, keeps the shape of its input, and one layer alone "
    "reads that input at every call, inside and outside of the block; a warning",
)
def block_without_shortcut(evidence: Evidence) -> Iterator[Finding]:
    """Find a ResnetBlock whose forward() returns `self.conv_block(x)`."""
    require_success(evidence)
    blocks: dict[str, list[ModuleCall]] = {}
    for call in (one for forward in evidence.record.passes for one in forward.calls):
        if RESIDUAL.match(call.type):
            blocks.setdefault(call.type, []).append(call)
    for name, calls in blocks.items():
        module = calls[0].module()
        found = next(class_sources(evidence, type(module)), None) if module is not None else None
        method = found.method("forward") if found else None
        if found is None or method is None or not all(_is_alone(evidence, one) for one in calls):
            continue
        yield Finding(
            kind="training/layer_output_discarded",
            message=f"{name} has no shortcut: it does not add its input to its output",
            evidence=f"in {len(calls)} calls, one layer alone reads the input of {name}, and the "
            "output has the shape of the input",
            severity=Severity.WARNING,
            cause=location_in(found.source, method.body[-1]),
            subject=name,
            confidence=5,
        )


def _is_alone(evidence: Evidence, call: ModuleCall) -> bool:
    """Return whether a block with several layers keeps the shape of an input that is read once."""
    module = call.module()
    weights = [p for p in module.parameters() if p.dim() > 1] if module is not None else []
    if len(call.received) != 1 or len(weights) < LAYERS or call.output is None:
        return False
    value = call.received[0]
    return str(value) in call.output and len(evidence.flow.consumers(value)) == 1
