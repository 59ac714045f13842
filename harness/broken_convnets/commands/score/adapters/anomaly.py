"""Autograd's anomaly mode: the forward operation whose gradient is NaN or cannot be computed.

The line that it blames is a cause for NaN; for a tensor changed in place it is where the tensor
was saved, and the change comes "in there or anywhere later". It knows backward passes only:
what a forward pass raises is reported as by a plain traceback.
"""

from __future__ import annotations

import traceback
import warnings
from typing import TYPE_CHECKING

from msgspec.structs import replace

from broken_convnets.commands.score.adapters._opened import Opened, TorchTool, failed_before
from broken_convnets.commands.score.adapters._raised import last_frame, raised
from broken_convnets.commands.score.protocol import (
    Diagnosis,
    Finding,
    Location,
    Need,
    Role,
    Status,
    diagnosed,
)
from broken_convnets.util.traceback_text import FRAME

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol import Request


class Anomaly(TorchTool):
    """`torch.autograd.set_detect_anomaly(True)` around the run."""

    needs = frozenset({Need.RUN})

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program in anomaly mode."""
        import torch  # noqa: PLC0415  (a list of the tools must not load it)

        opened = Opened(request)
        try:
            opened.open()
        except Exception as error:  # noqa: BLE001  (it is the program's code)
            return failed_before(opened, error)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                with torch.autograd.set_detect_anomaly(True):
                    opened.run()
            except Exception as error:  # noqa: BLE001  (likewise)
                told = [str(warning.message) for warning in warned]
                return diagnosed(
                    [*blamed(told, raised(error, request), request.file), raised(error, request)]
                )
        return Diagnosis(Status.CLEAN)


def blamed(warned: list[str], found: Finding, file: str) -> list[Finding]:
    """Return the finding at the forward operation that a warning of anomaly mode shows."""
    for text in warned:
        if "Traceback of forward call" not in text:
            continue
        frames = [
            traceback.FrameSummary(match["file"], int(match["line"]), "")
            for match in FRAME.finditer(text)
        ]
        at = last_frame(frames, file, Role.CAUSE)
        if at is not None:
            return [replace(found, location=Location(at.line, at.role), module=None)]
    return []


tool = Anomaly
