"""Parameters and buffers that no in-place operator has written to before the first forward pass."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from torch.nn.parameter import is_lazy

from broken_convnets.observe.recorder.running_operator import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.observe.recorder.recorded_events import Moment
    from broken_convnets.observe.recorder.values import Value, Values

MODULES = 2_000  # that are read of one network


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A tensor of a module whose version is 0 at `moment`, when the network runs first.

    A copy, and a tensor that was only written to through `.data`, have that version as well.
    """

    path: str  # of the module
    module: weakref.ref[nn.Module]
    name: str
    value: Value
    moment: Moment


def unwritten_in(root: nn.Module, values: Values, moment: Moment) -> Iterator[Unwritten]:
    """Yield the parameters and buffers of a network whose version is 0."""
    for path, module in list(root.named_modules())[:MODULES]:
        own = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        for name, tensor in own:
            has_numbers = not (is_lazy(tensor) or tensor.is_meta or tensor.is_inference())
            if has_numbers and not version_of(tensor):
                yield Unwritten(path, weakref.ref(module), name, values.of(tensor), moment)
