"""Call copies of the program's networks again, within a budget and without a trace of it."""

from __future__ import annotations

import contextlib
import io
import random
import sys
import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import torch

from broken_convnets.commands.diagnose.registry import NotApplicable
from broken_convnets.observe.captured import CapturedNetwork
from broken_convnets.observe.laws import CHECKS
from broken_convnets.observe.laws.registry import judge_one
from broken_convnets.observe.seeding import seed_torch
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from broken_convnets.observe.facts import CheckResult
    from broken_convnets.observe.recorder import Record
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.vocabulary import Law

Result = TypeVar("Result")

BUDGET = 4.0  # seconds of processor time, of all probes of a program
PASS = 0.4  # seconds of processor time, of one forward pass of a network that is probed
ELEMENTS = 20_000_000  # of the parameters of a network that is probed


@dataclass(frozen=True)
class Probe:
    """A network that is still alive, one of its forward passes, and a subject made of both."""

    network: nn.Module
    forward: ForwardPass
    subject: CapturedNetwork

    @cached_property
    def batch_size(self) -> int:
        """The size of the first dimension of the first input; 0 if it has none."""
        sizes = [len(tensor) for tensor in tensors(self.forward.captured) if tensor.ndim]
        return sizes[0] if sizes else 0


@dataclass
class Probing:
    """The probes of one run. `skipped` says which networks are not probed, and why."""

    record: Record
    skipped: dict[str, str] = field(default_factory=dict)
    _spent: float = 0.0
    _judged: dict[tuple[int, Law], CheckResult] = field(default_factory=dict)

    @cached_property
    def probes(self) -> list[Probe]:
        """The networks that can be called again."""
        found = [self._probe(network) for network in self.record.kept_networks]
        return [probe for probe in found if probe is not None]

    def _probe(self, network: nn.Module) -> Probe | None:
        passes = (p for p in self.record.all_passes() if p.network() is network and p.captured)
        forward = next(passes, None)
        why = "its inputs were not captured"
        if forward is not None:
            probe = Probe(network, forward, CapturedNetwork.from_pass(forward))
            why = self._why_not(probe)
        if forward is None or why:
            self.skipped[type(network).__name__] = why
            return None
        return probe

    def _why_not(self, probe: Probe) -> str:
        """Call a copy once, and return why its network is not probed; empty if it is."""
        if sum(p.numel() for p in probe.network.parameters()) > ELEMENTS:
            return "it is too large"
        if any(_has_hooks(module) for module in probe.network.modules()):
            return "it has hooks"
        before = self._spent
        try:
            output = self._timed(
                lambda: probe.subject.build().eval().forward(probe.subject.inputs())
            )
        except Exception as error:  # noqa: BLE001  (it is the program's)
            return f"a copy of it raises {type(error).__name__}"
        if self._spent - before > PASS:
            return "it is too slow"
        finite = all(bool(tensor.isfinite().all()) for tensor in tensors(output))
        return "" if finite else "its output is not finite"

    def require_any(self) -> None:
        """Raise NotApplicable if there are networks and none of them can be called again."""
        if not self.probes and self.skipped:
            name, why = next(iter(self.skipped.items()))
            reason = f"{name} is not called again: {why}"
            raise NotApplicable(reason)

    def run(self, call: Callable[[], Result]) -> Result | None:
        """Return what a call of the program's returns; None if it raises an exception.

        Raises NotApplicable if the budget is spent.
        """
        try:
            return self._timed(call)
        except NotApplicable:
            raise
        except Exception:  # noqa: BLE001  (one network must not cost the others)
            return None

    def _timed(self, call: Callable[[], Result]) -> Result:
        if self._spent > BUDGET:
            reason = "the processor time for calling networks again is spent"
            raise NotApplicable(reason)
        before = time.process_time()
        try:
            with unnoticed():
                return call()
        finally:
            self._spent += time.process_time() - before

    def law(self, probe: Probe, law: Law) -> CheckResult:
        """Return whether a network obeys a law."""
        key = id(probe.network), law
        if key not in self._judged:
            self._judged[key] = self._timed(lambda: judge_one(CHECKS[law], probe.subject))
        return self._judged[key]

    def violating(self, law: Law) -> Iterator[Probe]:
        """Yield the probes whose networks violate a law."""
        self.require_any()
        for probe in self.probes:
            if self.law(probe, law).holds is False:
                yield probe


def _has_hooks(module: nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks)  # noqa: SLF001  (no public way)
    return any(hooks)


def seed_all(seed: int) -> None:
    """Seed the generators that a forward pass may draw from; `unnoticed` restores them."""
    seed_torch(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


@contextlib.contextmanager
def unnoticed() -> Iterator[None]:
    """Restore the random state afterwards, and drop warnings and what is printed."""
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy else None
    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.enable_grad(),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(drawn)
