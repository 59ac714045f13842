"""FakeTensorMode: run the network on tensors that have a shape, a dtype and no values.

What a network does with values cannot be judged so, and is not.
"""

from __future__ import annotations

import logging

from broken_convnets.commands.score.adapters._opened import ModelTool, Opened
from broken_convnets.commands.score.adapters._raised import raised, unsupported
from broken_convnets.commands.score.protocol import Diagnosis, Status, diagnosed
from broken_convnets.observe.without_values import needs_values


class Fake(ModelTool):
    """`torch._subclasses.FakeTensorMode` around making the network and one forward pass."""

    def examine(self, opened: Opened) -> Diagnosis:
        """Make the network and run it, all of it without values."""
        from torch._subclasses import FakeTensorMode  # noqa: PLC0415  (only where it is asked)

        from broken_convnets.observe.program import map_tensors  # noqa: PLC0415  (likewise)

        logging.getLogger("torch._subclasses.fake_tensor").disabled = True
        try:
            # What a module holds from import time on is real, and allowed.
            with FakeTensorMode(allow_non_fake_inputs=True) as mode:
                inputs = map_tensors(opened.inputs, mode.from_tensor)
                opened.program.net()(*inputs)
        except Exception as error:  # noqa: BLE001  (the network's code)
            if needs_values(error):
                return unsupported(error)
            return diagnosed([raised(error, opened.request)])
        return Diagnosis(Status.CLEAN)


tool = Fake
