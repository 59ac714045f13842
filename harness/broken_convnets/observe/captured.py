"""A network that was called in a user's own run, as a subject of the laws."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.local_network import LocalNetwork
from broken_convnets.observe.reads import READS
from broken_convnets.observe.seeding import seed_torch
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.trees import detached, map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.subject import Values


class CapturedNetwork:
    """A network with the inputs of one of its calls. Laws run on deep copies of both.

    `rebuild` constructs the network again, as the user's code did; without it, laws that need a
    second network do not apply. Other batch sizes are the first samples of the captured batch,
    repeated if there are too few.
    """

    def __init__(
        self,
        network: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        rebuild: Callable[[], nn.Module] | None = None,
        seed: int = 0,
    ) -> None:
        """Keep copies of the inputs, which the program may overwrite."""
        self.seed = seed
        self._network = network
        self._names = list(kwargs or {})
        self._inputs: Values = detached((*args, *(kwargs or {}).values()))
        self._rebuild = rebuild

    @classmethod
    def from_pass(
        cls, captured: ForwardPass, rebuild: Callable[[], nn.Module] | None = None
    ) -> CapturedNetwork:
        """Return the network and the inputs of a recorded pass.

        Raises NotApplicableError if the network is gone, or its inputs were not captured.
        """
        network = captured.network()
        if network is None or captured.captured is None:
            message = "the network is gone" if network is None else "its inputs were not captured"
            raise NotApplicableError(message)
        args, kwargs = captured.captured
        return cls(network, args, kwargs, rebuild)

    def apart(self) -> CapturedNetwork:
        """Return this subject, which has no process of its own."""
        return self

    def draws(self) -> random.Random:
        """Return a generator that yields the same every time."""
        return random.Random(self.seed)  # noqa: S311  (no secret)

    def build(self, seed: int | None = None) -> LocalNetwork:
        """Return a deep copy; for another seed than the subject's, a network constructed anew."""
        if seed is None or seed == self.seed:
            return LocalNetwork(self._copy(), self._forward)
        if self._rebuild is None:
            message = "how the network is constructed is unknown"
            raise NotApplicableError(message)
        with torch.random.fork_rng(devices=[]):
            seed_torch(seed)
            return LocalNetwork(self._rebuild(), self._forward)

    def inputs(self, batch_size: int | None = None) -> Values:
        """Return copies of the captured inputs, or of `batch_size` samples."""
        if batch_size is None:
            copied: Values = detached(self._inputs)
            return copied
        size = self._batch_size()
        index = torch.arange(batch_size) % size

        def resized(tensor: torch.Tensor) -> torch.Tensor:
            batched = bool(tensor.ndim) and len(tensor) == size
            return tensor[index.to(tensor.device)] if batched else tensor.clone()

        values: Values = map_tensors(detached(self._inputs), resized)
        return values

    def targets(self, batch_size: int | None = None) -> Values:  # noqa: ARG002  (the interface has it)
        """Return nothing: a call of a network has no targets."""
        return ()

    def reread(self, values: Any) -> Any:
        """Return values as they are: those of this process are not copies."""
        return values

    def read(self, what: str, *arguments: float) -> Any:
        """Raise NotApplicableError: only a call was captured."""
        return READS[what](self, *arguments)

    def require_run(self) -> None:
        """Raise NotApplicableError: only a call was captured."""
        self._lacks("run")

    def require_targets(self) -> None:
        """Raise NotApplicableError: only a call was captured."""
        self._lacks("targets")

    def require(self, function: str) -> None:
        """Raise NotApplicableError: only a call was captured."""
        self._lacks(function)

    def call(self, function: str, *arguments: Any) -> Any:  # noqa: ARG002  (the interface has it)
        """Raise NotApplicableError: only a call was captured."""
        self._lacks(function)

    def _lacks(self, what: str) -> None:
        message = f"a captured call has no {what}"
        raise NotApplicableError(message)

    def _copy(self) -> nn.Module:
        try:
            return copy.deepcopy(self._network)
        except Exception as error:
            message = f"the network cannot be copied ({type(error).__name__})"
            raise NotApplicableError(message) from error

    def _forward(self, net: nn.Module, inputs: Values) -> Any:
        positional = len(inputs) - len(self._names)
        return net(*inputs[:positional], **dict(zip(self._names, inputs[positional:], strict=True)))

    def _batch_size(self) -> int:
        sizes = [len(tensor) for tensor in tensors(self._inputs) if tensor.ndim]
        if not sizes:
            message = "the inputs have no batch dimension"
            raise NotApplicableError(message)
        return sizes[0]
