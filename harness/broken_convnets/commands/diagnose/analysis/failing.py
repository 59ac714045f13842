"""What raised: the user's own frames, the torch operator, and the layer that was running."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.sizes.layers import type_name
from broken_convnets.commands.diagnose.registry import OtherRun
from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Construction, Operator
    from broken_convnets.observe.recorder.values import Value

RECENT = 4  # operators that may have run after the one that raised, in handlers
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")  # which compute nothing themselves
MODULE_CALL = "_call_impl"  # the function of nn.Module that calls forward


@dataclass(frozen=True)
class FailedCall:
    """The call that raised.

    `frames` are the user's own, the innermost first. `operator` is the torch function that
    raised; None if a check before it did. `layer` is torch's own layer that the user's innermost
    frame called, or a part of it; `construction` is where the user constructs it. `received` are
    the tensors that came in, without parameters and buffers of the layer; none if a tuple did.
    """

    message: str
    frames: tuple[UserFrame, ...]
    operator: Operator | None
    layer: nn.Module | None
    construction: Construction | None
    received: tuple[Value, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The user's places, the innermost first."""
        return tuple(one.place for one in self.frames)


def failed_call(evidence: Evidence) -> FailedCall | None:
    """Return what raised; None if nothing of the user's code was running.

    Raises OtherRun if the program did not fail.
    """
    error, record, frames = evidence.error, evidence.record, evidence.frames
    if error is None:
        reason = "the program did not fail"
        raise OtherRun(reason)
    if not frames:
        return None
    modules = _modules_inside(error)
    operator = _operator(record, type(error).__name__, {one.place for one in frames})
    if not modules and operator is not None and operator.owner is not None:
        owner = operator.owner()  # of a class of the user's that is derived from one of torch's
        computes = owner is not None and type_name(owner) not in {"", *CONTAINERS}
        modules = [owner] if owner is not None and computes else []
    layer, construction = _layer(record, modules)
    received = () if _takes_a_collection(error) else _received(record, operator, modules)
    return FailedCall(evidence.message, frames, operator, layer, construction, received)


def _modules_inside(error: BaseException) -> list[nn.Module]:
    """Return the modules that ran inside the user's innermost frame."""
    modules: list[nn.Module] = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if is_user_file(frame.f_code.co_filename):
            modules.clear()
        elif frame.f_code.co_name == MODULE_CALL:
            called = frame.f_locals.get("self")
            modules += [called] if isinstance(called, nn.Module) else []
    return modules


def _takes_a_collection(error: BaseException) -> bool:
    """Return whether the innermost module was called with a tuple, a list or a dict first."""
    given: object = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if is_user_file(frame.f_code.co_filename):
            given = None
        elif frame.f_code.co_name == MODULE_CALL:
            given = next(iter(frame.f_locals.get("args") or ()), None)
    return type(given) in {tuple, list, dict}


def _operator(record: Record, error: str, places: set[Place]) -> Operator | None:
    for operator in list(record.operators)[-RECENT:][::-1]:
        if operator.raised == error and operator.place in places:
            return operator
    return None


def _layer(
    record: Record, modules: list[nn.Module]
) -> tuple[nn.Module | None, Construction | None]:
    """Return the innermost module that the user constructs, and where."""
    for module in reversed(modules):
        found = construction_of(record, module)
        if found is not None and found.direct:
            return module, found
    return (modules[-1], None) if modules else (None, None)


def construction_of(record: Record, module: nn.Module) -> Construction | None:
    """Return where a module, or the one that it is a copy of, is constructed."""
    found = record.construction(module)
    if found is not None:
        return found
    of_type = (one for one in record.constructions if one.type == type(module).__name__)
    return next((one for one in of_type if one.direct), None)


def _received(
    record: Record, operator: Operator | None, modules: list[nn.Module]
) -> tuple[Value, ...]:
    calls = list(record.last_pass.calls) if record.last_pass else []
    if modules:
        own = [call for call in calls if call.module() is modules[-1] and call.raised]
        if own and own[-1].received:
            return own[-1].received
    return tuple(v for v in operator.inputs if not v.parameter) if operator else ()
