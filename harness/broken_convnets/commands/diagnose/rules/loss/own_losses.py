"""Losses that the user wrote: they are called again with right and with wrong answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.rules.loss.asked_again import asked_as_loss

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.metric_calls import MetricCall
    from broken_convnets.observe.recorder.places import Place

IDLE = 1e-2  # share of the range of a loss, by which two results may differ and be equal


@dataclass(frozen=True)
class OwnFunction:
    """A function of the user's that compares an output of a network with a target from the data.

    `answers` are what it returns for right and for wrong answers, and for the highest and the
    lowest ones; if the labels are classes, first for scores as the program has them, then for
    probabilities.
    """

    call: MetricCall
    source: Source
    syntax: ast.FunctionDef
    answers: tuple[float, ...]

    @property
    def right(self) -> float:
        """What it returns for right answers."""
        return self.answers[0]

    @property
    def wrong(self) -> float:
        """What it returns for wrong answers."""
        return self.answers[1]

    def grows_with_right_answers(self, margin: float) -> bool:
        """Return whether right answers have larger results than wrong ones, by a share.

        For scores or for probabilities, no other answers may have as large a result.
        """
        each = [self.answers[i : i + 4] for i in range(0, len(self.answers), 4)]
        largest = (
            right - max(others) > margin * max(abs(right), abs(max(others)))
            for right, *others in each
        )
        return any(largest) and all(right > wrong for right, wrong, *_ in each)

    @property
    def is_never_meant(self) -> bool:
        """Whether no author can mean to minimize it: it has no lower bound, or an idle minimum.

        A likelihood is at most 0, and -infinity for wrong answers. Other results that are as small
        for a constant answer as for a wrong one need nothing learned from data.
        """
        likelihood = abs(self.right) < IDLE and self.wrong < -1
        span = self.right - self.wrong
        return likelihood or min(self.answers[2:4]) - self.wrong <= IDLE * span

    def contains(self, place: Place) -> bool:
        """Return whether a place is inside of the function."""
        inside = self.syntax.lineno <= place.line <= (self.syntax.end_lineno or 0)
        return inside and place.file == self.source.path


def own_functions(evidence: Evidence) -> Iterator[OwnFunction]:
    """Yield the functions of the user's that return finite numbers when they are called again."""
    for call in evidence.record.metric_calls:
        code = call.code
        source = evidence.source(code.co_filename)
        syntax = source.function_named(code.co_name, code.co_firstlineno) if source else None
        if source is None or syntax is None or _reads_signs(call):
            continue
        numbers = _numbers(call)
        if numbers is not None and all(map(math.isfinite, numbers)):
            yield OwnFunction(call, source, syntax, tuple(numbers))


@lru_cache(maxsize=64)  # two rules ask
def _numbers(call: MetricCall) -> list[float] | None:
    return numbers_from_child(partial(asked_as_loss, call))


def _reads_signs(call: MetricCall) -> bool:
    """Return whether the function reads negative numbers from elsewhere, such as rewards."""
    code, function = call.code, call.function
    outer = [function.__globals__.get(name) for name in code.co_names]
    outer += [cell.cell_contents for cell in function.__closure__ or ()]
    owner = call.arguments.get("self") if call.owner is None else call.owner()
    held = getattr(owner, "__dict__", {})
    outer += [held.get(name) for name in code.co_names]
    return any(map(_has_negative, outer))


def _has_negative(value: Any) -> bool:
    import torch  # noqa: PLC0415  (rules are imported where torch may be missing)

    if isinstance(value, torch.Tensor):
        return bool(value.numel()) and not value.is_complex() and bool((value < 0).any())
    if isinstance(value, list | tuple):
        return any(map(_has_negative, value))
    return isinstance(value, int | float) and value < 0
