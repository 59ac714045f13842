"""Trace a network from Python, as `trace(net, images)` or `with trace(net):`."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace
from torch import nn

from broken_convnets.commands.trace.blame import (
    FirstNonFinite,
    first_non_finite,
    origin,
    suspect,
    where,
)
from broken_convnets.commands.trace.limits import compiled_frames, limits
from broken_convnets.commands.trace.table import NetworkTable, aligned, heading, printable, table
from broken_convnets.observe.failure import Failure, failure
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.recorder.passes import running_modules

if TYPE_CHECKING:
    from broken_convnets.observe.facts import Layer
    from broken_convnets.observe.recorder.networks import Network
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.record import Record

CALL_LIMIT = 10_000  # module calls that are kept of one pass
OPERATOR_LIMIT = 1_000  # that are kept; the first non-finite value needs none of them
NETWORKS = 8  # that are shown without --all


def trace(net: nn.Module | None = None, /, *inputs: Any, **keywords: Any) -> Tracing:
    """Follow the values through `net`, layer by layer, until one fails.

    With inputs it runs one forward pass, `net(*inputs, **keywords)`, and returns the finished
    tracing: what the network returned is its `output`, what it raised is its `error`, and nothing
    is raised. Without, it returns a context manager that follows `net`, or every network if
    there is none, in whatever runs inside; an exception passes through.

    `print` shows the table. Neither outputs nor random numbers change, and nothing is left
    behind in the network. Raises TypeError if `net` is not a module.
    """
    if not isinstance(net, nn.Module) and (net is not None or inputs or keywords):
        message = f"the first argument must be a network, an nn.Module, not {type(net).__name__}"
        raise TypeError(message)
    tracing = Tracing(net)
    if net is not None and (inputs or keywords):
        tracing.run(net, inputs, keywords)
    return tracing


class Tracing(AbstractContextManager["Tracing"]):
    """The networks that ran, with a table each, and the failure.

    `step` chooses the pass that the tables show, counted from 1 for each network; by default it
    is the one that failed, else the first one with a non-finite value, else the last one.
    """

    def __init__(self, net: nn.Module | None = None, *, step: int | None = None) -> None:
        """Start with nothing recorded."""
        self.output: Any = None
        self.error: BaseException | None = None
        self.failure: Failure | None = None
        self.caught: tuple[Failure, NetworkTable] | None = None
        self.first_non_finite: FirstNonFinite | None = None
        self.networks: list[NetworkTable] = []
        self.notes: list[str] = []
        options = Options(
            calls=True,
            literals=True,
            operators=True,
            values=True,
            steps=True,
            constructions=True,
            step=step,
            call_limit=CALL_LIMIT,
            operator_limit=OPERATOR_LIMIT,
        )
        self._recorder = Recorder(options, net, self._raised)
        self._record = self._recorder.record
        self._step = step
        self._compiled = 0
        self._caught_id = 0

    @classmethod
    def of(cls, record: Record, error: BaseException | None) -> Self:
        """Return the tables of a run that a recorder with module calls has recorded."""
        tracing = cls()
        tracing.error, tracing._record = error, record
        tracing._conclude(error)
        return tracing

    @property
    def rows(self) -> list[Layer]:
        """The calls of the pass that failed, or of the last one."""
        failed = self.failure.network if self.failure else None
        return self.networks[-1 if failed is None else failed].layers if self.networks else []

    @property
    def failed(self) -> Layer | None:
        """The innermost layer that was running when the exception was raised."""
        return next((row for row in self.rows if row.failed), None)

    @property
    def suspect(self) -> Layer | None:
        """The layer to look at first: the one that returned what another could not take."""
        return suspect(self.failure, self.rows, self.failed)

    def run(self, net: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Run one forward pass, and keep what it returns or raises."""
        self._compiled = compiled_frames()
        try:
            with self._recorder:
                self.output = net(*inputs, **keywords)
        except Exception as error:  # noqa: BLE001  (whatever the network raises is the answer)
            self.error = error
        self._conclude(self.error)

    def __enter__(self) -> Self:
        """Begin to follow."""
        self._compiled = compiled_frames()
        self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Stop following, and make the tables."""
        self._recorder.__exit__(kind, error, trace)
        if isinstance(error, Exception):
            self.error = error
        self._conclude(error)

    def take_back(self) -> None:
        """Forget the failure: tracing itself caused it."""
        self.error = self.failure = None
        for network in self.networks:
            network.layers[:] = [replace(row, failed=False) for row in network.layers]

    def lines(self, depth: int | None = None, *, everything: bool = False) -> list[tuple[str, str]]:
        """Return the tables and the failure as lines, each with its style for rich."""
        hidden = 0 if everything else max(0, len(self.networks) - NETWORKS)
        lines: list[tuple[str, str]] = []
        if hidden:
            lines.append((f"{hidden} networks that ran earlier are not shown", "dim"))
        for network in self.networks[hidden:]:
            lines += [("", "")] if lines else []
            lines.append((heading(network), "bold"))
            rows = aligned(table(network, depth, everything=everything))
            lines += [(f"  {text}".rstrip(), style) for text, style in rows]
        lines += [(note, "yellow") for note in self.notes]
        return lines + [(text, "red") for text in self.verdict()]

    def verdict(self) -> list[str]:
        """Return what failed, in a few lines; empty if nothing did."""
        lines = origin(self.first_non_finite) if self.first_non_finite else []
        if self.failure is None:
            return lines
        lines.append(where(self.failure, self.failed))
        if self.suspect and self.suspect is not self.failed:
            name = printable(f"{self.suspect.path} {self.suspect.type}".strip())
            lines.append(f"look first at {name}: it returned {printable(str(self.suspect.output))}")
        return lines

    def __str__(self) -> str:
        """Return the tables as text, what failed, and its message."""
        lines = [text for text, _ in self.lines()]
        if self.failure:
            lines.append(f"{self.failure.type}: {self.failure.message}")
        return "\n".join(lines)

    def _raised(self, ended: ForwardPass, error: BaseException) -> None:
        """Keep the first pass that raised: the program may catch what it raised."""
        if self.caught is not None:
            return
        running = running_modules(error)
        innermost = running[-1] if running else None
        layer = ended.path(innermost) if innermost is not None else None
        found = failure(error, layer, 0, self._record)
        network = self._network_of(ended)
        if network:
            self.caught = (found, _table(network, ended, innermost))
            self._caught_id = id(error)

    def _network_of(self, shown: ForwardPass) -> Network | None:
        networks = self._record.networks
        return next((n for n in networks if n.module() is shown.network()), None)

    def _conclude(self, error: BaseException | None) -> None:
        running = running_modules(error) if error else []
        failing = running[-1] if running else None
        failed = self._pass_with(failing) if failing is not None else None
        tables = [(n, p) for n in self._record.networks if (p := self._shown(n, failed))]
        tables = _without_helpers(tables, failed)
        self.networks = [_table(n, p, failing if p is failed else None) for n, p in tables]
        if error is not None and not isinstance(error, SystemExit | GeneratorExit):
            layer = failed.path(failing) if failing is not None and failed else None
            index = next((i for i, (_, p) in enumerate(tables) if p is failed), None)
            self.failure = failure(error, layer, index, self._record)
        if error is not None and id(error) == self._caught_id:
            self.caught = None
        found = self._record.first_non_finite
        trains = bool(self._record.optimizer_steps.count)
        self.first_non_finite = first_non_finite(found, trains=trains) if found else None
        self.notes = limits(self.networks, self._record, self.failure, self._step, self._compiled)

    def _pass_with(self, module: nn.Module) -> ForwardPass | None:
        """Return the pass, of the last one of each network, in which a module was called."""
        passes = (network.last for network in reversed(self._record.networks))
        return next((p for p in passes if p and p.calls_of(module)), None)

    def _shown(self, network: Network, failed: ForwardPass | None) -> ForwardPass | None:
        if self._step:
            return network.chosen
        if failed is None and network.first_non_finite:
            return network.first_non_finite
        return network.last


def _without_helpers(
    tables: list[tuple[Network, ForwardPass]], failed: ForwardPass | None
) -> list[tuple[Network, ForwardPass]]:
    """Leave out losses, metrics and transforms: modules without parameters beside networks."""
    networks = [(n, p) for n, p in tables if n.has_state or p is failed]
    return networks if any(n.has_state for n, _ in networks) else tables


def _table(network: Network, shown: ForwardPass, failing: nn.Module | None) -> NetworkTable:
    layers = shown.layers(failing)
    main = shown.thread is threading.main_thread()
    first = network.first_non_finite
    return NetworkTable(
        type=network.type,
        passes=network.passes,
        shown=shown.number,
        complete=shown.complete,
        layers=layers,
        thread="" if main else shown.thread.name,
        omitted=shown.calls.omitted,
        omitted_after=shown.calls.omitted_after,
        owner=network.owner,
        first_non_finite=first is not None and shown is first and shown is not network.last,
    )
