"""Record backward passes, which of them each gradient holds, and optimizer steps."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.followed_parameters import FollowedParameters
from broken_convnets.observe.recorder.frozen_steps import frozen_before, largest_change
from broken_convnets.observe.recorder.kept_graphs import KeptGraphs
from broken_convnets.observe.recorder.patches import is_recorder_code
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.recorder.recorded_events import BackwardPass, OptimizerStep
from broken_convnets.observe.recorder.rounded_steps import unchanged, weights_before
from broken_convnets.observe.recorder.snapshots import Snapshots
from broken_convnets.observe.recorder.tracebacks import leave_out_outermost
from broken_convnets.observe.recorder.values import gradient_of, is_zero, state_of, tensors_in
from broken_convnets.observe.trees import without_iterators

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.followed_parameter import FollowedParameter
    from broken_convnets.observe.recorder.frozen_steps import Frozen
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.rounded_steps import Weights
    from broken_convnets.observe.recorder.values import State, Values


class Gradients:
    """Follows the gradients of all parameters of networks that run and of optimizers that step.

    No hook is put on a parameter: what a backward pass has changed is seen by comparing the
    identities and version counters of the gradients before and after.
    """

    def __init__(self, record: Record, values: Values) -> None:
        """Start with no parameter known."""
        self._record = record
        self._values = values
        self._follows = record.options.gradients
        self._looks = record.options.values
        self.followed = FollowedParameters(record, values)
        self._running: list[tuple[OptimizerStep, Weights, Frozen]] = []
        self._kept = KeptGraphs(record)
        self.snapshots = Snapshots(record)
        self._hooks = ExitStack()

    def patch(self, patches: Patches) -> None:
        """Stand in for `torch.autograd.backward` and `grad`; hook the steps of all optimizers."""
        for kind in ("backward", "grad") if self._follows else ():
            patches.replace(torch.autograd, kind, self._standing_in)
        self._hooks.callback(register_optimizer_step_pre_hook(self._before_step).remove)
        self._hooks.callback(register_optimizer_step_post_hook(self._after_step).remove)

    def close(self) -> None:
        """Remove the hooks."""
        self._hooks.close()

    def _standing_in(self, original: Callable[..., Any]) -> Callable[..., Any]:
        kind = original.__name__

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1)  # noqa: SLF001  (no public equivalent)
            again = is_recorder_code(caller.f_code)  # `grad` is a torch function, as a mode sees it
            if again or is_compiling() or not self._record.active:
                return original(*args, **kwargs)
            args = without_iterators(args)
            kwargs = dict(zip(kwargs, without_iterators(kwargs.values()), strict=True))
            begun = self._begin(kind, args, kwargs)
            try:
                return original(*args, **kwargs)
            except BaseException as error:
                leave_out_outermost(error)
                if begun is not None:
                    begun.backward_pass.raised = type(error).__name__
                raise
            finally:
                if begun is not None:
                    self._end(begun)

        stand_in.__name__ = kind  # under which the operator is recorded
        return stand_in

    def _begin(self, kind: str, args: Any, kwargs: Any) -> _Begun | None:
        try:
            with NoDispatch(), NoFunction():
                starts = args[0] if args else kwargs.get("tensors", kwargs.get("outputs"))
                roots = tensors_in(starts)
                self._kept.begin(roots)
                backward_pass = BackwardPass(
                    number=self._record.backward_passes.count,
                    kind=kind,
                    places=user_places(sys._getframe(2)),  # noqa: SLF001  (no public equivalent)
                    moment=self._record.moment,
                    roots=tuple(map(self._values.of, roots)),
                )
                self._record.add_backward_pass(backward_pass)
                before = {}
                for known, parameter in self.followed.alive():
                    self._check_contents(known, gradient_of(parameter))
                    before[known.facts.number] = state_of(gradient_of(parameter))
                if kind == "grad":
                    inputs = args[1] if len(args) > 1 else kwargs.get("inputs")
                    backward_pass.received = tuple(self.followed.known(tensors_in(inputs)))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
            return None
        return _Begun(backward_pass, before)

    def _end(self, begun: _Begun) -> None:
        received, bad = list(begun.backward_pass.received), []
        try:
            with NoDispatch(), NoFunction():
                for known, parameter in self.followed.alive():
                    number = known.facts.number
                    state = state_of(gradient_of(parameter))
                    if state is not None and state != begun.before.get(number):
                        received.append(number)
                        known.hold(begun.backward_pass.number)
                        if self._looks and not _is_finite(gradient_of(parameter)):
                            bad.append(number)
        except Exception as error:  # noqa: BLE001  (as above)
            self._record.problem(error)
        begun.backward_pass.received = tuple(received)
        begun.backward_pass.non_finite = tuple(bad)

    def _check_contents(self, known: FollowedParameter, gradient: torch.Tensor | None) -> None:
        """Forget what a gradient held once it is None or all zeros, however it became so."""
        if known.holds and (gradient is None or is_zero(gradient)):
            known.holds = []

    def _before_step(self, optimizer: Optimizer, *_: object) -> None:
        try:
            with NoDispatch(), NoFunction():
                self._record_step(optimizer)
        except Exception as error:  # noqa: BLE001  (as above)
            self._record.problem(error)

    def _record_step(self, optimizer: Optimizer) -> None:
        own = [p for group in optimizer.param_groups for p in group["params"]]
        known = [self.followed.of(p).facts.number for p in own] if self._follows else []
        step = OptimizerStep(
            number=self._record.optimizer_steps.count,
            type=type(optimizer).__name__,
            places=user_places(sys._getframe(3)),  # noqa: SLF001  (no public equivalent)
            moment=self._record.moment,
            learning_rates=tuple(float(group.get("lr", 0.0)) for group in optimizer.param_groups),
            parameters=tuple(known),
            without_gradient=tuple(
                number for number, p in zip(known, own, strict=False) if gradient_of(p) is None
            ),
            holds=self._holds(),
            is_first=not optimizer.state,
        )
        self.snapshots.step(step.number, own)
        self._record.optimizer_steps.append(step)
        halves, frozen = (weights_before(own), frozen_before(own)) if self._follows else ([], [])
        self._running.append((step, halves, frozen))

    def _holds(self) -> dict[int, tuple[int, ...]]:
        """Return the backward passes in each gradient; only old ones are looked at for zeros."""
        holds: dict[int, tuple[int, ...]] = {}
        latest = self._record.optimizer_steps.latest
        fresh = latest.moment.backward_passes if latest else 0
        for known, parameter in self.followed.alive():
            if known.holds and (gradient_of(parameter) is None or known.holds[0] < fresh):
                self._check_contents(known, gradient_of(parameter))
            known.version = parameter._version  # noqa: SLF001  (no public equivalent)
            if known.holds:
                holds[known.facts.number] = known.facts.holds = tuple(known.holds)
        return holds

    def _after_step(self, optimizer: Optimizer, *_: object) -> None:
        if not self._running:
            return
        step, halves, frozen = self._running.pop()
        own = [p for group in optimizer.param_groups for p in group["params"]]
        step.finished = True
        with NoDispatch(), NoFunction():
            step.unchanged = unchanged(halves) if halves else (0, 0)
            step.frozen_changes = {
                known.facts.number: change
                for one, before in frozen
                if (known := self.followed.find(one)) and (change := largest_change(one, before))
            }
            step.changed = tuple(
                known.facts.number
                for parameter in own
                if (known := self.followed.find(parameter)) and parameter._version != known.version  # noqa: SLF001  (as above)
            )


def _is_finite(gradient: torch.Tensor | None) -> bool:
    return gradient is None or all_finite(gradient) is not False


@dataclass
class _Begun:
    """A backward pass that is running, and the gradients before it."""

    backward_pass: BackwardPass
    before: dict[int, State]
