"""Answer the judge's requests about a program, in the process of the program."""

from __future__ import annotations

import os
import tempfile
import warnings
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import torch

from broken_convnets.observe import originals
from broken_convnets.observe.facts import RunRequest, ScriptRequest
from broken_convnets.observe.layer_calls import called_layers
from broken_convnets.observe.plain_run import plain_run
from broken_convnets.observe.program import Program, seed_everything
from broken_convnets.observe.remote.decode import decode_tensor
from broken_convnets.observe.remote.encode import Encoder
from broken_convnets.observe.remote.values import (
    DictValue,
    ListValue,
    ObjectValue,
    Raised,
    Reply,
    Request,
    Returned,
    TensorValue,
    TupleValue,
    Value,
)
from broken_convnets.observe.script import run_script
from broken_convnets.util.mask import mask_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Methods of a program and of a network whose results are values.
OF_PROGRAM = ("inputs", "read", "targets")
OF_NETWORK = (
    *("buffers", "call", "export", "forward", "forward_there", "gradients", "graph_size"),
    *("inference", "load_state", "move", "parameter_gradients", "parameters", "run"),
    *("shift", "state"),
)


class Answering:
    """The program of one run, and the objects that the judge has handles of."""

    def __init__(self) -> None:
        """Start without a program."""
        self._loaded: Program | None = None
        originals.remember()
        self._kept: dict[int, Any] = {}
        self._last = 0
        self._answers: dict[str, Callable[..., Any]] = {
            **{name: partial(self._of_program, name) for name in OF_PROGRAM},
            **{name: partial(self._of_network, name) for name in OF_NETWORK},
            "adam": lambda handle, rate: self._keep(self._kept[handle].adam(rate)),
            "build": lambda seed: self._keep(self._program.build(seed)),
            "call_program": partial(self._of_program, "call"),
            "called_layers": lambda: called_layers(self._program),
            "eval": self._eval,
            "finish": originals.replaced,
            "load": self._load,
            "frozen": lambda handle: self._kept[handle].frozen,
            "ping": lambda: None,
            "plain_run": self._plain_run,
            "recorded_run": self._recorded_run,
            "reread": lambda values: values,
            "script": _script,
            "seeded_run": self._seeded_run,
            "step": lambda handle: self._kept[handle].step(),
        }

    @property
    def _program(self) -> Program:
        if self._loaded is None:
            message = "no program has run"
            raise RuntimeError(message)
        return self._loaded

    def handle(self, message: bytes) -> bytes:
        """Return the reply to an encoded request; what the program raises is part of it."""
        request = msgspec.msgpack.decode(message, type=Request)
        for handle in request.freed:
            self._kept.pop(handle, None)
        return msgspec.msgpack.encode(self._reply(request))

    def _reply(self, request: Request) -> Reply:
        with _warnings_of(request.method):
            try:
                arguments = [self._decoded(argument) for argument in request.arguments]
                found = self._answers[request.method](*arguments)
                return Returned(Encoder(self._keep).encode(found))
            except BaseException as error:  # noqa: BLE001  (SystemExit and the like too)
                classes = [kind.__name__ for kind in type(error).__mro__]
                return Raised(classes, mask_error(error))

    def _load(self, request: dict[str, Any]) -> None:
        """Load a program in a folder of its own, for one that runs elsewhere too."""
        one = msgspec.convert(request, RunRequest)
        os.chdir(tempfile.mkdtemp(dir="."))
        self._loaded = Program.load(one.source, one.seed, one.device, as_main=one.as_main)

    def _plain_run(self, request: dict[str, Any]) -> Any:
        seen, self._loaded, output = plain_run(msgspec.convert(request, RunRequest))
        return msgspec.to_builtins(seen), output

    def _of_program(self, name: str, *arguments: Any) -> Any:
        return getattr(self._program, name)(*arguments)

    def _eval(self, handle: int) -> None:
        self._kept[handle].eval()

    def _of_network(self, name: str, handle: int, *arguments: Any) -> Any:
        return getattr(self._kept[handle], name)(*arguments)

    def _recorded_run(self, handle: int, *arguments: Any) -> Any:
        return msgspec.to_builtins(self._kept[handle].recorded_run(*arguments))

    def _seeded_run(self, handle: int, *arguments: Any) -> Any:
        seed_everything(self._program.seed, self._program.device)
        return self._kept[handle].run(*arguments)

    def _keep(self, value: object) -> int:
        self._last += 1
        self._kept[self._last] = value
        return self._last

    def _decoded(self, value: Value) -> Any:
        """Return a value of the judge; what has a handle is the very same object."""
        if isinstance(value, TensorValue | ObjectValue) and value.handle:
            return self._kept[value.handle]
        if isinstance(value, TensorValue):
            return decode_tensor(value).to(self._device())
        if isinstance(value, ListValue):
            return [self._decoded(item) for item in value.items]
        if isinstance(value, TupleValue):
            return tuple(self._decoded(item) for item in value.items)
        if isinstance(value, DictValue):
            return {self._decoded(key): self._decoded(item) for key, item in value.items}
        return value

    def _device(self) -> torch.device:
        return self._loaded.device if self._loaded else torch.device("cpu")


def _script(request: dict[str, Any]) -> Any:
    return msgspec.to_builtins(run_script(msgspec.convert(request, ScriptRequest)))


@contextmanager
def _warnings_of(method: str) -> Iterator[None]:
    """Ignore warnings, but for those of the plain run, which records them."""
    with warnings.catch_warnings():
        if method != "plain_run":
            warnings.simplefilter("ignore")
        yield
