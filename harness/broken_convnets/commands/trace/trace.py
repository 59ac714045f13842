"""Trace a network from Python, as `trace(net, images)` or `with trace(net):`."""

from __future__ import annotations

import sys
import threading
import warnings
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace
from torch import nn

from broken_convnets.commands.trace.blame import suspect, where
from broken_convnets.commands.trace.table import NetworkTable, aligned, heading, printable, table
from broken_convnets.observe.failure import Failure, failure
from broken_convnets.observe.layers import Trace, running_modules
from broken_convnets.observe.operators import Operators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.facts import Layer
    from broken_convnets.observe.layers import Network
    from broken_convnets.observe.passes import Pass

CALL_LIMIT = 10_000  # calls that are kept of one pass
NETWORKS = 8  # that are shown unless all are asked for
# Modules whose inside runs where no hook is called.
CLOSED = {
    "OptimizedModule": "torch.compile",
    "RecursiveScriptModule": "TorchScript",
    "TopLevelTracedModule": "TorchScript",
    "TracedModule": "TorchScript",
}


def trace(net: nn.Module | None = None, /, *inputs: Any, **keywords: Any) -> Tracing:
    """Follow the values through `net`, layer by layer, until one fails.

    With inputs it runs one forward pass, `net(*inputs, **keywords)`, and returns the finished
    tracing: what the network gave is its `output`, what it raised is its `error`, and nothing
    is raised. Without, it returns a context manager that follows `net`, or every network if
    there is none, in whatever runs inside; an exception passes through.

    `print` shows the table. Neither outputs nor random numbers change, and nothing is left
    behind in the network. Raises TypeError where `net` is no module.
    """
    if not isinstance(net, nn.Module) and (net is not None or inputs or keywords):
        message = f"the first argument is a network, an nn.Module, not {type(net).__name__}"
        raise TypeError(message)
    tracing = Tracing(net)
    if net is not None and (inputs or keywords):
        tracing.run(net, inputs, keywords)
    return tracing


class Tracing(AbstractContextManager["Tracing"]):
    """What was seen of the networks that ran: a table each, and the failure.

    `step` chooses the pass that the tables show, counted from 1 for each network; by default
    it is the last one.
    """

    def __init__(self, net: nn.Module | None = None, *, step: int | None = None) -> None:
        """Start with nothing seen."""
        self.output: Any = None
        self.error: BaseException | None = None
        self.failure: Failure | None = None
        self.caught: tuple[Failure, NetworkTable] | None = None
        self.networks: list[NetworkTable] = []
        self.notes: list[str] = []
        self._trace = Trace(net, limit=CALL_LIMIT, step=step, on_raise=self._raised)
        self._step = step
        self._compiled = 0
        self._caught_id = 0
        self._active = ExitStack()

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
        """The layer to look at first: the one that gave what another could not take."""
        return suspect(self.failure, self.rows, self.failed)

    def run(self, net: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Run one forward pass, and keep what it gives or raises."""
        with self._following():
            try:
                self.output = net(*inputs, **keywords)
            except Exception as error:  # noqa: BLE001  (whatever the network raises is the answer)
                self.error = error
        self._conclude(self.error)

    def _following(self) -> ExitStack:
        self._compiled = _compiled()
        with ExitStack() as stack:
            stack.enter_context(self._trace)
            stack.enter_context(Operators())
            stack.enter_context(_unwarned())
            return stack.pop_all()

    def __enter__(self) -> Self:
        """Begin to follow."""
        self._active = self._following()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Stop following, and make the tables."""
        self._active.close()
        if isinstance(error, Exception):
            self.error = error
        self._conclude(error)

    def take_back(self) -> None:
        """Forget the failure: it was of the tracing's own making."""
        self.error = self.failure = None
        for network in self.networks:
            network.layers[:] = [replace(row, failed=False) for row in network.layers]

    def lines(self, depth: int | None = None, *, everything: bool = False) -> list[tuple[str, str]]:
        """Return the tables and the failure as lines, each with its style for rich."""
        hidden = 0 if everything else max(0, len(self.networks) - NETWORKS)
        lines: list[tuple[str, str]] = []
        if hidden:
            lines.append((f"{hidden} networks that ran earlier are left out", "dim"))
        for network in self.networks[hidden:]:
            lines += [("", "")] if lines else []
            lines.append((heading(network), "bold"))
            rows = aligned(table(network, depth, everything=everything))
            lines += [(f"  {text}".rstrip(), style) for text, style in rows]
        lines += [(note, "yellow") for note in self.notes]
        return lines + [(text, "red") for text in self.verdict()]

    def verdict(self) -> list[str]:
        """Return what failed, in a few lines; nothing where nothing did."""
        if self.failure is None:
            return []
        lines = [where(self.failure, self.failed)]
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

    def _raised(self, ended: Pass, error: BaseException) -> None:
        """Keep the first pass that raised: the program may catch what it raised."""
        if self.caught is None:
            running = running_modules(error)
            found = failure(error, ended.path(running[-1]) if running else None, 0)
            network = self._trace.network(ended)
            if network:
                shown = _table(network, ended, running[-1] if running else None)
                self.caught, self._caught_id = (found, shown), id(error)

    def _conclude(self, error: BaseException | None) -> None:
        running = running_modules(error) if error else []
        failing = running[-1] if running else None
        failed = self._trace.holding(failing) if failing else None
        for network in self._trace.networks:
            shown = network.chosen if self._step else network.last
            if shown:
                self.networks.append(_table(network, shown, failing if shown is failed else None))
        if error is not None and not isinstance(error, SystemExit | GeneratorExit):
            layer = failed.path(failing) if failing and failed else None
            places = [
                i
                for i, network in enumerate(self.networks)
                if any(row.failed for row in network.layers)
            ]
            self.failure = failure(error, layer, places[-1] if places else None)
        if error is not None and id(error) == self._caught_id:
            self.caught = None
        self.notes = self._limits()

    def _limits(self) -> list[str]:
        """Return, in a sentence each, what could not be seen."""
        notes = []
        seen = {row.type for network in self.networks for row in network.layers}
        by = {CLOSED[name] for name in seen & set(CLOSED)}
        if _compiled() > self._compiled:
            by.add("torch.compile")
        if "torch.compile" in by:
            notes.append(
                "torch.compile has compiled code that ran: layers inside it are not seen; "
                "TORCH_COMPILE_DISABLE=1 in the environment shows them"
            )
        if "TorchScript" in by:
            notes.append("a module ran as TorchScript: layers inside it are not seen")
        if self.failure and "DataLoader worker process" in self.failure.message:
            notes.append(
                "it failed in a worker process of a DataLoader, which is not seen: "
                "num_workers=0 brings it here"
            )
        missing = [n for n in self._trace.networks if self._step and n.chosen is None]
        notes += [
            f"{printable(n.type)} was called {n.passes} times: there is no pass {self._step}"
            for n in missing
        ]
        if not self._trace.networks:
            notes.append("no network was called")
        return notes


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keep torch.compile from warning a program of hooks that are not its own."""
    warnings.filterwarnings("ignore", message=r"Using `torch\.compile\(module\)` when there are")
    ours = warnings.filters[0]
    try:
        yield
    finally:
        if ours in warnings.filters:
            warnings.filters.remove(ours)  # type: ignore[attr-defined]  # a list, typed as a sequence


def _table(network: Network, shown: Pass, failing: nn.Module | None) -> NetworkTable:
    layers = shown.layers(failing)
    main = shown.thread is threading.main_thread()
    return NetworkTable(
        type=network.type,
        passes=network.passes,
        shown=shown.number,
        complete=shown.complete,
        layers=layers,
        thread="" if main else shown.thread.name,
        omitted=shown.calls - len(layers),
        omitted_after=shown.omitted_after,
    )


def _compiled() -> int:
    """Return how many pieces of code torch.compile has compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return int(dynamo.counters["frames"]["ok"]) if dynamo else 0
