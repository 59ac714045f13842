"""torch.export's draft mode with a dynamic batch, which continues where export stops.

Its report is a private attribute of the result; a release without it makes the tool decline.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.adapters._opened import ModelTool, OpenedProgram
from broken_convnets.commands.score.adapters._raised import brief, last_frame
from broken_convnets.commands.score.adapters.export import FIXED_BATCH, VALUES, answer, any_batch
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    LocationRole,
    Status,
)
from broken_convnets.commands.score.protocol.validation import diagnosis_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS = {
    "GUARD_ADDED": FIXED_BATCH,
    "CONSTRAINT_VIOLATION_ERROR": FIXED_BATCH,
    "DATA_DEPENDENT_ERROR": VALUES,
}


class DraftExport(ModelTool):
    """`torch.export.draft_export(net, inputs, dynamic_shapes=...)`."""

    def examine(self, opened: OpenedProgram) -> Diagnosis:
        """Export the network and read the report."""
        import torch  # noqa: PLC0415  (only when the tool runs)

        shapes = any_batch(opened.inputs)
        try:
            made = torch.export.draft_export(opened.net, opened.inputs, dynamic_shapes=shapes)
        except Exception as error:  # noqa: BLE001  (what the network raises, or export)
            return answer(error, opened)
        failures = getattr(getattr(made, "_report", None), "failures", None)
        if failures is None:
            return Diagnosis(
                Status.UNSUPPORTED, reason="this release of torch has no report of the draft"
            )
        names = _file_names()
        return diagnosis_of([finding(failure, opened.request.file, names) for failure in failures])


def finding(failure: Any, file: str, names: Mapping[int, str]) -> Finding:
    """Return the finding for one failure of a report, at the line of the program.

    `names` maps the numbers of files in the report to their names.
    """
    rule = str(getattr(failure.failure_type, "name", failure.failure_type))
    data: Mapping[str, Any] = failure.data
    text = f"{rule}: {data.get('expr', '')} {data.get('symbol_to_sources', '')}".strip()
    stack: Sequence[Mapping[str, Any]] = data.get("user_stack") or []
    frames = [
        traceback.FrameSummary(names.get(row["filename"], ""), row["line"], row["name"])
        for row in stack
        if isinstance(row, dict)
    ]
    return Finding(
        message=brief(text),
        kind=KINDS.get(rule, "state"),
        rule=rule,
        location=last_frame(frames, file, LocationRole.CAUSE),
    )


def _file_names() -> dict[int, str]:
    from torch._logging import structured  # noqa: PLC0415  (imports torch)

    return {number: name for name, number in structured.INTERN_TABLE.items()}


tool = DraftExport
