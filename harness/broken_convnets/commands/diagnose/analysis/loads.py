"""A call of load_state_dict() that failed, and what it received."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    import torch

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence


@dataclass(frozen=True)
class Load:
    """A call of load_state_dict() that failed: the network, what it received, and the call."""

    module: nn.Module
    given: object
    frame: UserFrame
    call: ast.Call
    node: ast.expr  # of what it received

    @property
    def own(self) -> dict[str, torch.Tensor]:
        """The network's own state."""
        return dict(self.module.state_dict())

    @property
    def state(self) -> dict[str, object]:
        """What was given, empty if that is not a mapping."""
        given = self.given if isinstance(self.given, Mapping) else {}
        return {key: value for key, value in given.items() if isinstance(key, str)}

    @property
    def text(self) -> str:
        """The source text of what was given."""
        return self.frame.source.text_of(self.node)

    @property
    def network(self) -> str:
        """The source text of the network."""
        function = self.call.func
        return (
            self.frame.source.text_of(function.value) if isinstance(function, ast.Attribute) else ""
        )


def failed_load(evidence: Evidence) -> Load | None:
    """Return the load of a network that failed, read from the frames of PyTorch's own method."""
    error = evidence.error
    frame = evidence.frames[0] if evidence.frames else None
    call = frame.call if frame else None
    node = argument(call, "state_dict", 0) if call else None
    if error is None or frame is None or call is None or node is None:
        return None
    for inner, _ in traceback.walk_tb(error.__traceback__):
        module = inner.f_locals.get("self")
        if inner.f_code.co_name == "load_state_dict" and isinstance(module, nn.Module):
            given = frame.value(node)
            if not isinstance(given, Mapping | str | nn.Module):
                given = inner.f_locals.get("state_dict")
            return Load(module, given, frame, call, node)
    return None
