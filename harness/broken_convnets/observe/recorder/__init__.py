"""The one recorder of what a program does with PyTorch; `trace` and the laws read its record.

    with Recorder(Options(operators=True, gradients=True)) as recorder:
        train()
    recorder.record.first_non_finite

`record.py` says what is in a record, `options.py` what can be switched on. Recording changes no
result, no random number, no place of a warning and no filter; docs/trace.md lists the limits.
"""

from broken_convnets.observe.recorder.options import Options
from broken_convnets.observe.recorder.record import Record
from broken_convnets.observe.recorder.recorder import Recorder

__all__ = ["Options", "Record", "Recorder"]
