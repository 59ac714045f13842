"""Run a call and keep the torch functions that it calls, with copies of what they return."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.overrides import TorchFunctionMode

from broken_convnets.observe.recorder.callers import caller_of
from broken_convnets.observe.recorder.functions import Kind, kind_of, literals_of, name_of
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.recorder.values import tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from broken_convnets.observe.recorder.places import Place

ELEMENTS = 20_000_000  # of all outputs that are copied
OPERATORS = 5_000
LIMIT = 50  # places around the call that are told from those inside


@dataclass(frozen=True, slots=True, eq=False)
class TracedOperator:
    """One call of a torch function.

    `inputs` are the tensors themselves, `outputs` copies of what it returned. `written` are the
    positions of the watched tensors that it wrote to. An operator that raised has no outputs.
    """

    name: str
    places: tuple[Place, ...]
    literals: dict[int | str, Any]
    inputs: tuple[torch.Tensor, ...]
    results: tuple[torch.Tensor, ...]
    outputs: tuple[torch.Tensor, ...]
    written: tuple[int, ...]


class TraceTooLargeError(Exception):
    """A call does more than is kept of it."""


class _Tracing(TorchFunctionMode):  # type: ignore[misc]  # torch is not there for mypy
    def __init__(self, watched: list[torch.Tensor]) -> None:
        super().__init__()
        self.operators: list[TracedOperator] = []
        self._watched = watched
        self._around = frozenset(user_places(sys._getframe(2), LIMIT))  # noqa: SLF001  (no public one)
        self._elements = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if kind_of(func) is not Kind.OPERATOR:
            return func(*args, **kwargs)
        caller = caller_of(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
        versions = [tensor._version for tensor in self._watched]  # noqa: SLF001  (as above)
        output: Any = None
        try:
            output = func(*args, **kwargs)
        finally:
            now = [tensor._version for tensor in self._watched]  # noqa: SLF001  (as above)
            written = (i for i, before in enumerate(versions) if before != now[i])
            places = tuple(p for p in user_places(caller) if p not in self._around)
            self._append(func, (args, kwargs), output, places, tuple(written))
        return output

    def _append(
        self,
        func: Callable[..., Any],
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        output: object,
        places: tuple[Place, ...],
        written: tuple[int, ...],
    ) -> None:
        results = tuple(tensors_in(output))
        self._elements += sum(tensor.numel() for tensor in results)
        if self._elements > ELEMENTS or len(self.operators) >= OPERATORS:
            raise TraceTooLargeError
        self.operators.append(
            TracedOperator(
                name=name_of(func),
                places=places,
                literals=literals_of(*arguments),
                inputs=tuple(tensors_in(arguments)),
                results=results,
                outputs=tuple(tensor.detach().clone() for tensor in results),
                written=written,
            )
        )


def trace_call(
    call: Callable[[], object], watched: list[torch.Tensor] | None = None
) -> tuple[list[TracedOperator], BaseException | None]:
    """Return the torch functions that a call runs, in order, and the exception that ended it.

    `watched` are tensors for which each operator says whether it wrote to them. Raises
    TraceTooLargeError if there is too much to keep.
    """
    mode = _Tracing(watched or [])
    try:
        with mode:
            call()
    except TraceTooLargeError:
        raise
    except Exception as error:  # noqa: BLE001  (it is what the call raised)
        return mode.operators, error
    return mode.operators, None
