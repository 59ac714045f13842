"""Record the torch functions that a program calls, each with the user's own place of the call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from broken_convnets.observe.describe import default_device, describe
from broken_convnets.observe.recorder.argument_looks import ArgumentLooks
from broken_convnets.observe.recorder.aside import (
    NoDispatch,
    NoFunction,
    is_compiling,
    is_read_by_torch,
)
from broken_convnets.observe.recorder.callers import Callers, caller_of
from broken_convnets.observe.recorder.first_non_finite import first_non_finite
from broken_convnets.observe.recorder.functions import (
    Kind,
    full_name,
    kind_of,
    literals_of,
    name_of,
)
from broken_convnets.observe.recorder.held_tensors import held_tensors
from broken_convnets.observe.recorder.losses import UNSET
from broken_convnets.observe.recorder.mode_stack import take_off_stack
from broken_convnets.observe.recorder.patches import hidden
from broken_convnets.observe.recorder.places import TORCH, user_places
from broken_convnets.observe.recorder.recorded_events import Operator
from broken_convnets.observe.recorder.running_operator import Begun, version_of
from broken_convnets.observe.recorder.tracebacks import leave_out_outermost
from broken_convnets.observe.recorder.unwritten import unwritten_in
from broken_convnets.observe.recorder.values import look_at, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from torch import nn

    from broken_convnets.observe.recorder.held_tensors import HeldTensors
    from broken_convnets.observe.recorder.module_calls import ModuleCalls
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.unwritten import Unwritten
    from broken_convnets.observe.recorder.values import Value, Values

OPTIMIZERS = f"{TORCH}/optim/"
DIRECT = 3  # the stack level, seen from inside softmax, of its caller
DEEPER = 3  # frames of torch, and the caller once more, between our frame and the next one out


class OperatorMode(TorchFunctionMode):  # type: ignore[misc]  # torch is not there for mypy
    """Stands in the path of every torch function of the thread that enters it.

    Each function is called from a frame that has the file, the line and the globals of the frame
    that called it, so that torch and Python place warnings as they do without a recorder.
    """

    def __init__(self, record: Record, values: Values) -> None:
        """Start with no operator recorded."""
        super().__init__()
        self._record = record
        self._values = values
        self._looks = record.options.values
        self._arguments = ArgumentLooks(record, values)
        self._kinds: dict[Callable[..., Any], Kind] = {}
        self._callers = Callers()
        self.calls: ModuleCalls | None = None  # of the same recorder

    def patch(self, patches: Patches) -> None:
        """Leave the stack of modes while `torch.jit.trace` runs, which names values by frames."""
        for name in ("trace", "trace_module"):
            patches.replace(torch.jit, name, self._aside)

    def _aside(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def stand_in(*args: Any, **kwargs: Any) -> Any:
            was_on_stack = take_off_stack(self)
            try:
                return original(*args, **kwargs)
            finally:
                if was_on_stack:
                    self.__enter__()

        return stand_in

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`, and record the call."""
        if is_compiling():
            return func(*args, **(kwargs or {}))
        kind = self._kinds.get(func) or self._kind(func)
        caller = caller_of(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
        kwargs = kwargs or {}
        if kind is Kind.QUERY or caller.f_code.co_filename.startswith(OPTIMIZERS):
            return func(*args, **kwargs)
        call = self._callers.like(caller)
        if kwargs.get("_stacklevel", 0) > DIRECT:
            kwargs = {**kwargs, "_stacklevel": kwargs["_stacklevel"] + DEEPER}
        if kind is Kind.OTHER or is_read_by_torch():
            return call(func, args, kwargs)
        begun = self._begin(func, args, kwargs, caller)
        if begun is not None:
            self._arguments.look(begun, args, kwargs, caller)
        try:
            output = call(func, args, kwargs)
        except BaseException as error:
            leave_out_outermost(error)
            if begun is not None:
                self._fail(begun, error, func, (args, kwargs))
            raise
        if begun is not None:
            self._end(begun, output)
        return output

    def values_in(self, value: object) -> tuple[Value, ...]:
        """Return the values of the tensors inside a collection."""
        return tuple(self._values.of(tensor) for tensor in tensors_in(value))

    def held_by(self, network: nn.Module) -> HeldTensors:
        """Return the tensors that the modules of a network hold outside of its state_dict."""
        return held_tensors(network, self._values)

    def unwritten_in(self, network: nn.Module) -> list[Unwritten]:
        """Return the parameters and buffers of a network that nothing has written to."""
        return list(unwritten_in(network, self._values, self._record.moment))

    def is_finite(self, tensor: torch.Tensor) -> bool | None:
        """Return whether a tensor is finite; what operators returned was looked at already."""
        return self._values.is_finite(tensor)

    def _kind(self, func: Callable[..., Any]) -> Kind:
        kind = self._kinds[func] = kind_of(func)
        return kind

    def _begin(
        self, func: Callable[..., Any], args: Any, kwargs: Any, caller: FrameType
    ) -> Begun | None:
        try:
            with NoFunction():  # no operator runs inside
                taken = tensors_in((args, kwargs))
                versions = [version_of(tensor) for tensor in taken]
                operator = self._operator(func, args, kwargs, caller, taken)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
            return None
        return Begun(operator, taken, versions)

    def _operator(
        self,
        func: Callable[..., Any],
        args: Any,
        kwargs: Any,
        caller: FrameType,
        taken: list[torch.Tensor],
    ) -> Operator:
        layer = self.calls.innermost if self.calls else None
        operator = Operator(
            number=self._record.operators.count,
            name=name_of(func),
            places=user_places(caller),
            moment=self._record.moment,
            inputs=tuple(map(self._values.of, taken)),
            literals=literals_of(args, kwargs),
            grad_enabled=torch.is_grad_enabled(),
            layer=layer.type if layer else "",
            module=id(layer.module()) if layer else 0,
            owner=layer.module if layer else None,
        )
        self._record.operators.append(operator)
        return operator

    def _end(self, begun: Begun, output: object) -> None:
        try:
            with NoDispatch(), NoFunction():
                self._record_end(begun, output)
        except Exception as error:  # noqa: BLE001  (as above)
            self._record.problem(error)

    def _record_end(self, begun: Begun, output: object) -> None:
        operator = begun.operator
        written = begun.written()
        operator.changed = tuple(self._values.new(tensor, operator.number) for tensor in written)
        results = tensors_in(output)
        operator.outputs = tuple(self._output(tensor, operator) for tensor in results)
        if self._looks and operator.name not in UNSET:
            for tensor, value in zip(results, operator.outputs, strict=True):
                look_at(value, tensor)
            if self._record.first_non_finite is None:
                self._record.first_non_finite = first_non_finite(
                    operator, begun.taken, self._values, self.calls
                )

    def _fail(
        self,
        begun: Begun,
        error: BaseException,
        func: Callable[..., Any],
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
    ) -> None:
        begun.operator.raised = type(error).__name__
        device = default_device()
        with NoDispatch(), NoFunction():
            texts = [describe(value, device, literals=True) for value in arguments[0]]
            texts += [f"{k}={describe(v, device, literals=True)}" for k, v in arguments[1].items()]
        self._record.note_failed(error, f"{full_name(func)}({', '.join(texts)})")

    def _output(self, tensor: torch.Tensor, operator: Operator) -> Value:
        known = self._values.known(tensor)
        if known is not None and (known in operator.changed or known in operator.inputs):
            return known  # it wrote to its input, or returned it as it is
        return self._values.new(tensor, operator.number)


# A class body cannot hide its own method: the name of the mode is in its frames' code.
OperatorMode.__torch_function__ = hidden(  # type: ignore[method-assign]  # a decorator
    OperatorMode.__torch_function__
)
