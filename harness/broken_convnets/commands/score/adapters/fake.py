"""FakeTensorMode: run the network on tensors with a shape and a dtype but without values.

The tool declines a network that reads values.
"""

from __future__ import annotations

import logging

from broken_convnets.commands.score.adapters._opened import ModelTool, OpenedProgram
from broken_convnets.commands.score.adapters._raised import exception_finding, unsupported_diagnosis
from broken_convnets.commands.score.protocol.messages import Diagnosis, Status
from broken_convnets.commands.score.protocol.validation import diagnosis_of
from broken_convnets.observe.without_values import needs_values


class Fake(ModelTool):
    """`torch._subclasses.FakeTensorMode` around the constructor and one forward pass."""

    def examine(self, opened: OpenedProgram) -> Diagnosis:
        """Create the network and run it on fake tensors."""
        from torch._subclasses import FakeTensorMode  # noqa: PLC0415  (imports torch)

        from broken_convnets.observe.trees import map_tensors  # noqa: PLC0415  (only when the tool runs)

        logging.getLogger("torch._subclasses.fake_tensor").disabled = True
        try:
            # Tensors that the module created at import time are real.
            with FakeTensorMode(allow_non_fake_inputs=True) as mode:
                inputs = map_tensors(opened.inputs, mode.from_tensor)
                opened.program.net()(*inputs)
        except Exception as error:  # noqa: BLE001  (the network's code)
            if needs_values(error):
                return unsupported_diagnosis(error)
            return diagnosis_of([exception_finding(error, opened.request)])
        return Diagnosis(Status.CLEAN)


tool = Fake
