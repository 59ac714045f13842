"""Which function checks which law, and what its return or exception means."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.facts import CheckResult
from broken_convnets.observe.program import Program, tensors
from broken_convnets.util.mask import mask_error
from broken_convnets.vocabulary import STRUCTURAL, Law

if TYPE_CHECKING:
    from collections.abc import Callable

Check = Any  # Callable[[Program], None]; spelled out where it is made
CHECKS: dict[Law, Check] = {}

TOLERANCE = 1e-4  # float32 rounding is near 1e-6, what the laws look for near 1e-2


class LawBrokenError(Exception):
    """The law does not hold; the message says what was seen."""


class NotApplicableError(Exception):
    """The law says nothing about this program; the message says why."""


def law(subject: Law) -> Callable[[Check], Check]:
    """Make a function the check of a law."""

    def register(check: Check) -> Check:
        CHECKS[subject] = check
        return check

    return register


def judge(program: Program, *, structural: bool = True) -> dict[Law, CheckResult]:
    """Return what each law says of `program`; those of structure only where wanted.

    A law under which the program itself raises is broken. A few laws are judged elsewhere,
    from the facts of the plain run: those "as declared", and no-warnings.
    """
    return {
        law: _judge_one(check, program)
        for law, check in CHECKS.items()
        if structural or law not in STRUCTURAL
    }


def _judge_one(check: Check, program: Program) -> CheckResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(program)
        except NotApplicableError as reason:
            return CheckResult(None, str(reason))
        except LawBrokenError as reason:
            return CheckResult(holds=False, note=str(reason))
        except BaseException as error:  # noqa: BLE001  (SystemExit and the like too)
            return CheckResult(holds=False, note=f"{type(error).__name__}: {mask_error(error)}")
    return CheckResult(holds=True)


def outputs(program: Program, net: torch.nn.Module, inputs: tuple[Any, ...]) -> list[torch.Tensor]:
    """Return the tensors that a forward pass gives; a network that gives none breaks the law."""
    found = tensors(program.forward(net, *inputs))
    if not found:
        message = "the network gives no tensor"
        raise LawBrokenError(message)
    return found


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Compare up to TOLERANCE times the largest value, or one where that is smaller."""
    if a.shape != b.shape:
        return False
    a, b = a.detach().double(), b.detach().double()
    scale = max(1.0, float(b.abs().max())) if b.numel() else 1.0
    return bool(torch.allclose(a, b, rtol=0, atol=TOLERANCE * scale, equal_nan=True))


def all_close(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    """Compare two lists of tensors."""
    return len(some) == len(others) and all(map(close, some, others))
