"""The plain traceback: run the program and report its exception. The baseline of all tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._opened import OpenedProgram, TorchTool
from broken_convnets.commands.score.adapters._raised import exception_finding
from broken_convnets.commands.score.protocol.messages import Diagnosis, Need, Status
from broken_convnets.commands.score.protocol.validation import diagnosis_of

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol.messages import Request


class Traceback(TorchTool):
    """The exception that anyone sees who runs the program."""

    needs = frozenset({Need.RUN})

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program and return its exception as the finding."""
        opened = OpenedProgram(request)
        try:
            opened.open()
            opened.run()
        except Exception as error:  # noqa: BLE001  (the code of the program)
            return diagnosis_of([exception_finding(error, request)])
        return Diagnosis(Status.CLEAN)


tool = Traceback
