"""Count the layers that a run of a program calls."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from broken_convnets.observe.recorder import Options, Recorder

if TYPE_CHECKING:
    from broken_convnets.observe.program import Program


def called_layers(program: Program) -> dict[str, int]:
    """Return how many layers of each type a run calls.

    Only those with parameters of their own or with a train mode: any other layer, such as ReLU or
    Flatten, can also be written as a function.
    """
    with Recorder(Options(calls=True)) as recorder:
        program.run(program.net(), program.inputs(), program.targets())
    called = recorder.record.called
    names = [one.type for one in called if one.has_parameters or one.depends_on_mode]
    return dict(sorted(Counter(names).items()))
