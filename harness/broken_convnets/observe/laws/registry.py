"""Which function checks which law, and what it means that it returns or raises."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.facts import CheckResult
from broken_convnets.observe.subject import NotApplicableError, class_names
from broken_convnets.observe.trees import tensors
from broken_convnets.util.mask import mask_error
from broken_convnets.vocabulary import STRUCTURAL, Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Network, Subject, Values

Check = Callable[["Subject"], None]
CHECKS: dict[Law, Check] = {}

TOLERANCE = 1e-4  # float32 rounding is near 1e-6, what the laws look for near 1e-2


class LawBrokenError(Exception):
    """A subject violates a law; the message says what was seen."""


def law(name: Law) -> Callable[[Check], Check]:
    """Register a function as the check of a law: it returns if the law holds, else raises."""

    def register(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return register


def judge(subject: Subject, *, structural: bool = True) -> dict[Law, CheckResult]:
    """Return for each law whether `subject` obeys it; those of structure only if wanted.

    A law under which the subject itself raises is broken. A few laws are judged elsewhere, from
    the facts of the plain run: those "as declared", and no-warnings.
    """
    return {
        law: judge_one(check, subject)
        for law, check in CHECKS.items()
        if structural or law not in STRUCTURAL
    }


def judge_one(check: Check, subject: Subject) -> CheckResult:
    """Return whether `subject` obeys the law of one check."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(subject)
        except NotApplicableError as reason:
            return CheckResult(None, str(reason))
        except LawBrokenError as reason:
            return CheckResult(holds=False, note=str(reason))
        except BaseException as error:  # noqa: BLE001  (SystemExit and the like too)
            return CheckResult(holds=False, note=f"{class_names(error)[0]}: {mask_error(error)}")
    return CheckResult(holds=True)


def generator(subject: Subject) -> torch.Generator:
    """Return a generator of random tensors, seeded by what the subject allows laws to draw."""
    return torch.Generator().manual_seed(subject.draws().getrandbits(63))


def outputs(net: Network, inputs: Values) -> list[torch.Tensor]:
    """Return the tensors that a forward pass returns; returning none violates the law."""
    found = tensors(net.forward(inputs))
    if not found:
        message = "the network returns no tensor"
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
