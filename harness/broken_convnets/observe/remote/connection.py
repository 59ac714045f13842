"""The judge's end of the connection to a program in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from broken_convnets.observe.remote.decode import Decoder, Lease, RemoteObject
from broken_convnets.observe.remote.encode import Encoder
from broken_convnets.observe.remote.values import (
    ObjectValue,
    Raised,
    Reply,
    Request,
    TensorValue,
    Value,
)
from broken_convnets.observe.subject import SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


class Connection:
    """Sends requests and decodes the replies; nothing in a reply can run."""

    def __init__(self, exchange: Callable[[bytes], bytes]) -> None:
        """Use a function that sends a request and returns the reply."""
        self._exchange = exchange
        self._freed: list[int] = []

    def ask(self, method: str, *arguments: Any) -> Any:
        """Return the decoded answer to a request; raises SubjectError for what it raised."""
        return self.decode(self.value(method, *arguments))

    def value(self, method: str, *arguments: Any) -> Value:
        """Return the answer to a request as it travels; raises SubjectError.

        Raises msgspec.DecodeError for an answer of another form.
        """
        freed = [self._freed.pop() for _ in range(len(self._freed))]
        values = [_Outgoing(self._freed).encode(argument) for argument in arguments]
        message = self._exchange(msgspec.msgpack.encode(Request(method, values, freed)))
        reply: Reply = msgspec.msgpack.decode(message, type=Reply)
        if isinstance(reply, Raised):
            raise SubjectError(tuple(reply.classes) or ("Exception",), reply.message)
        return reply.value

    def lease(self, method: str, *arguments: Any) -> Lease:
        """Return the handle of the object that a request creates."""
        return Lease(int(self.ask(method, *arguments)), self._freed)

    def decode(self, value: Value) -> Any:
        """Return a decoded value."""
        return Decoder(self._freed).decode(value)


class _Outgoing(Encoder):
    """Encodes what the judge sends: what came from the program travels as its handle alone.

    What came from a program in another process travels by value, if it can.
    """

    def __init__(self, freed: list[int]) -> None:
        """Encode for the process whose handles are released into a list."""
        super().__init__()
        self._freed = freed

    def tensor(self, value: torch.Tensor) -> TensorValue:
        lease = getattr(value, "lease", None)
        if isinstance(lease, Lease) and lease.is_of(self._freed):
            return TensorValue("", "", [], "", None, handle=lease.handle)
        return super().tensor(value)

    def object(self, value: object, depth: int) -> ObjectValue:
        if isinstance(value, RemoteObject):
            if not value.lease.is_of(self._freed):
                message = f"a {value.type_name} cannot leave its process"
                raise TypeError(message)
            return ObjectValue(value.type_name, [], handle=value.lease.handle)
        return super().object(value, depth)
