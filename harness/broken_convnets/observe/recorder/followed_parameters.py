"""Which parameters of a program are followed, and their numbers in the record."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from torch.nn.parameter import is_lazy

from broken_convnets.observe.recorder.followed_parameter import FollowedParameter
from broken_convnets.observe.recorder.recorded_events import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.values import Values


class FollowedParameters:
    """The parameters of networks that run and of optimizers that step, by identity."""

    def __init__(self, record: Record, values: Values) -> None:
        """Start with no parameter known."""
        self._record = record
        self._values = values
        self._follows = record.options.gradients
        self._known: dict[int, FollowedParameter] = {}

    def meet(self, named: Iterable[tuple[str, torch.Tensor]]) -> tuple[int, ...]:
        """Follow the parameters of a network that is about to run; return their numbers.

        A parameter of a lazy layer has no shape before its first pass, and is met at the next one.
        """
        numbers = []
        for name, parameter in named if self._follows else ():
            if is_lazy(parameter):
                continue
            known = self.of(parameter)
            known.meet(
                name,
                self._values.of(parameter),
                requires_grad=parameter.requires_grad,
                now=self._record.operators.count,
            )
            numbers.append(known.facts.number)
        return tuple(numbers)

    def numbers_of(self, parameters: Iterable[torch.Tensor]) -> tuple[int, ...]:
        """Follow the parameters of an optimizer; return their numbers."""
        known = (p for p in parameters if not is_lazy(p)) if self._follows else ()
        return tuple(self.of(parameter).facts.number for parameter in known)

    def of(self, parameter: torch.Tensor) -> FollowedParameter:
        """Follow a parameter that has a shape; return what is known of it."""
        known = self._known.get(id(parameter))
        if known is None or known.parameter() is not parameter:
            number, shape = len(self._record.parameters), tuple(parameter.shape)
            facts = Parameter(number, "", shape, parameter.requires_grad)
            self._record.parameters.append(facts)
            known = FollowedParameter(weakref.ref(parameter), facts)
            self._known[id(parameter)] = known
        return known

    def known(self, tensors: Iterable[torch.Tensor]) -> list[int]:
        """Return the numbers of those tensors that are followed already."""
        found = (self.find(tensor) for tensor in tensors)
        return [known.facts.number for known in found if known is not None]

    def find(self, tensor: torch.Tensor) -> FollowedParameter | None:
        """Return what is known of a tensor; None if it is not followed."""
        known = self._known.get(id(tensor))
        return known if known is not None and known.parameter() is tensor else None

    def alive(self) -> list[tuple[FollowedParameter, torch.Tensor]]:
        """Return the parameters that exist; if most are gone, forget those."""
        pairs = [(known, known.parameter()) for known in self._known.values()]
        alive = [(known, parameter) for known, parameter in pairs if parameter is not None]
        if len(alive) < len(pairs) // 2:
            self._known = {id(parameter): known for known, parameter in alive}
        return alive
