"""Autograd's anomaly mode: the forward operation whose gradient is NaN or cannot be computed.

For NaN, the reported line is the cause. For a tensor modified in place, it is the line that
saved the tensor; the modification comes later. Anomaly mode checks backward passes only: an
exception of a forward pass is reported like a plain traceback.
"""

from __future__ import annotations

import traceback
import warnings
from typing import TYPE_CHECKING

from msgspec.structs import replace

from broken_convnets.commands.score.adapters._opened import OpenedProgram, TorchTool, failed_before
from broken_convnets.commands.score.adapters._raised import exception_finding, last_frame
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Need,
    Status,
)
from broken_convnets.commands.score.protocol.validation import diagnosis_of
from broken_convnets.util.traceback_text import FRAME

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request


class Anomaly(TorchTool):
    """`torch.autograd.set_detect_anomaly(True)` around the run."""

    needs = frozenset({Need.RUN})

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program in anomaly mode."""
        import torch  # noqa: PLC0415  (only when the tool runs)

        opened = OpenedProgram(request)
        try:
            opened.open()
        except Exception as error:  # noqa: BLE001  (the code of the program)
            return failed_before(opened, error)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                with torch.autograd.set_detect_anomaly(True):
                    opened.run()
            except Exception as error:  # noqa: BLE001  (the code of the program)
                messages = [str(warning.message) for warning in warned]
                return diagnosis_of(
                    [
                        *blamed(messages, exception_finding(error, request), request.file),
                        exception_finding(error, request),
                    ]
                )
        return Diagnosis(Status.CLEAN)


def blamed(warned: list[str], found: Finding, file: str) -> list[Finding]:
    """Return the finding at the forward operation that a warning of anomaly mode names."""
    for text in warned:
        if "Traceback of forward call" not in text:
            continue
        frames = [
            traceback.FrameSummary(match["file"], int(match["line"]), "")
            for match in FRAME.finditer(text)
        ]
        at = last_frame(frames, file, LocationRole.CAUSE)
        if at is not None:
            return [replace(found, location=Location(at.line, at.role), module=None)]
    return []


tool = Anomaly
