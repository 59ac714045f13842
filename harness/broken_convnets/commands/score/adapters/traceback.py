"""The plain traceback: run the program and report what it raises. The baseline of all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.score.adapters._opened import Opened, TorchTool
from broken_convnets.commands.score.adapters._raised import raised
from broken_convnets.commands.score.protocol import Diagnosis, Need, Status, diagnosed

if TYPE_CHECKING:
    from broken_convnets.commands.score.protocol import Request


class Traceback(TorchTool):
    """What anyone sees who runs the program."""

    needs = frozenset({Need.RUN})

    def diagnose(self, request: Request) -> Diagnosis:
        """Run the program; whatever it raises is the finding."""
        opened = Opened(request)
        try:
            opened.open()
            opened.run()
        except Exception as error:  # noqa: BLE001  (it is the program's code)
            return diagnosed([raised(error, request)])
        return Diagnosis(Status.CLEAN)


tool = Traceback
