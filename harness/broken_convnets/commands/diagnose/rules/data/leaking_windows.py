"""The target of a window of a series lies outside of the window."""

from __future__ import annotations

import ast
import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.analysis.returns import callee
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import assignments, location, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.observe.recorder.loaders import Loader
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

    Sample = tuple[torch.Tensor, torch.Tensor]

LOOKS = 12  # samples
HIDING = frozenset({"mul", "__mul__", "where", "masked_fill", "masked_fill_", "__setitem__"})
HIDING |= {"fill_", "zero_", "dropout"}
CUTTING = frozenset({"__getitem__", "narrow", "select", "split", "chunk", "unbind", "index_select"})
RANDOM = frozenset({"rand", "rand_like", "randn", "randn_like", "normal", "bernoulli"})
HOPS = 64
PARTS = 2  # of a sample: window and target
LENGTH = 4  # steps of a window, at least


@rule(
    "the target of a window is not a part of the window",
    stays_quiet="unless consecutive samples overlap, as windows of one series do, and all numbers "
    "of each target are at the same last steps of its own window; about series that repeat, and "
    "programs that cut or hide a part of the window before the network receives it",
)
def target_inside_window(evidence: Evidence) -> Iterator[Finding]:
    """Find `series[i : i + n], series[i + n - 1]`."""
    for loader in evidence.record.loaders:
        if not any(trains(evidence, one) for one in loader.epochs):
            continue
        samples = _windows(evidence, loader)
        position = _common_position(samples) if samples else None
        if position is None or _repeats(samples) or _is_hidden(evidence, loader):
            continue
        name = type(below_subsets(loader.data)).__name__
        steps = max(samples[0][0].shape)
        yield Finding(
            kind="data",
            message="the target is a part of the input: each window contains the value that is to "
            "be predicted",
            evidence=f"{name} returns windows of {steps} steps, of which each one begins later in "
            f"the same series; in {len(samples)} of {len(samples)} samples the target is number "
            f"{position + 1} of the {samples[0][0].numel()} numbers of the window",
            cause=_place(evidence, loader),
            subject=name,
            confidence=7,
        )
        return


def _windows(evidence: Evidence, loader: Loader) -> list[Sample]:
    """Return the first samples of a dataset, if they are windows of one series."""
    whole = below_subsets(loader.data)
    samples = Samples.of_dataset(evidence, whole) if hasattr(whole, "__len__") else None
    if samples is None or len(whole) < LOOKS:
        return []
    reads = [samples.read(index, 0) for index in range(LOOKS)]
    if any(len(read) != PARTS or not all(map(_is_float, read)) for read in reads):
        return []
    found = [(read[0], read[1]) for read in reads]
    follow = all(_follows(a[0], b[0]) for a, b in pairwise(found))
    return found if follow else []


def _is_float(tensor: torch.Tensor) -> bool:
    return bool(tensor.is_floating_point() and tensor.numel())


def _follows(one: torch.Tensor, other: torch.Tensor) -> int:
    """Return by how many steps a window begins later than another one; 0 if it does not.

    It begins with what the other one ends with, and is not constant.
    """
    if one.shape != other.shape or max(one.shape, default=0) < LENGTH:
        return 0
    dim = one.shape.index(max(one.shape))
    size = one.shape[dim]
    if bool((other.narrow(dim, 0, 1) == one.narrow(dim, 0, 1)).all()):
        return 0
    moved = (
        step
        for step in range(1, size // 2 + 1)
        if bool((one.narrow(dim, step, size - step) == other.narrow(dim, 0, size - step)).all())
    )
    return next(moved, 0)


def _repeats(samples: list[Sample]) -> bool:
    """Return whether the series is periodic, so that a value ahead is also in the window."""
    windows = [window for window, _ in samples]
    dim = windows[0].shape.index(max(windows[0].shape))
    later = [
        other.narrow(dim, other.shape[dim] - step, step)
        for one, other in pairwise(windows)
        if (step := _follows(one, other))
    ]
    series = torch.cat([windows[0], *later], dim).movedim(dim, 0)
    return any(
        bool((series[period:] == series[:-period]).all())
        for period in range(1, len(series) - LENGTH)
    )


def _is_hidden(evidence: Evidence, loader: Loader) -> bool:
    """Return whether a part of the window is cut off, overwritten or made noisy before a layer."""
    waiting = [values[0] for epoch in loader.epochs for values in epoch.values if values]
    for value in waiting[:HOPS]:  # it grows
        for user in evidence.flow.consumers(value):
            if any(one.parameter for one in user.inputs):
                continue
            if user.name in HIDING or _is_cut(user) or _adds_noise(evidence, user, value):
                return True
            if len(waiting) < HOPS:
                waiting += [*user.outputs, *user.changed]
    return False


def _is_cut(user: Operator) -> bool:
    size = math.prod(user.inputs[0].shape)
    return user.name in CUTTING and any(math.prod(one.shape) < size for one in user.outputs)


def _adds_noise(evidence: Evidence, user: Operator, value: Value) -> bool:
    others = evidence.flow.ancestors(one for one in user.inputs if one is not value)
    makers = (evidence.record.producer(one) for one in others)
    return any(maker is not None and maker.name in RANDOM for maker in makers)


def _common_position(samples: list[Sample]) -> int | None:
    """Return where in the window the last number of each target is, if all numbers are there."""
    positions = None
    for window, target in samples:
        flat, wanted = window.flatten(), target.flatten()
        if wanted.numel() * 2 > flat.numel():
            return None
        if not all(bool((flat == number).any()) for number in wanted):
            return None
        here = set((flat == wanted[-1]).nonzero().flatten().tolist())
        positions = here if positions is None else positions & here
    return max(positions) if positions else None


def _place(evidence: Evidence, loader: Loader) -> Location | None:
    """Return the line that makes the target, if the dataset is a class of the program."""
    method = callee(evidence, getattr(below_subsets(loader.data), "__getitem__", None))
    nodes = ast.walk(method.function) if method is not None else ()
    returns = [node for node in nodes if isinstance(node, ast.Return)]
    value = returns[-1].value if returns else None
    if method is None or not isinstance(value, ast.Tuple) or len(value.elts) != PARTS:
        return location(loader.places)
    source = method.source
    made = assignments(source, source.text_of(value.elts[1]), method.function)
    return location_in(source, made[-1] if made else value)
