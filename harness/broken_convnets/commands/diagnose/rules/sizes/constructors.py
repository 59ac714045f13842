"""Rules: arguments of a layer that must divide each other do, and padding="same" has stride 1."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.divisors import Division, division_of
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import ranked
from broken_convnets.commands.diagnose.edits import set_argument
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

DIVISIBLE = re.compile(
    r"must be divisible by (?:groups|num_groups|num_heads)|divisible by num_groups"
)
SAME = "padding='same' is not supported for strided"


@rule(
    "numbers of groups and heads divide the channels",
    stays_quiet="about constructors inside of libraries",
)
def groups_do_not_divide(evidence: Evidence) -> Iterator[Finding]:
    """Name the numbers, and where the number of groups or heads comes from."""
    failed = failed_call(evidence)
    if failed is None or not DIVISIBLE.search(failed.message):
        return
    division = division_of(evidence, failed)
    if division is None:
        return
    yield Finding(
        kind="shape/groups_channels",
        message=_message(division),
        evidence=f"{division.number} divides none of them evenly; these do: {division.shown}",
        cause=division.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=("shape/groups_not_dividing_channels",),
        candidates=ranked(*division.groups()),
        confidence=9,
    )


def _message(division: Division) -> str:
    sizes = " and ".join(f"{name}={size}" for name, size in division.sizes.items())
    return f"{division.name}={division.number} does not divide {sizes}"


@rule(
    'a convolution with padding="same" has stride 1',
    stays_quiet="about other paddings",
)
def same_padding_with_stride(evidence: Evidence) -> Iterator[Finding]:
    """Find the constructor, and compute the padding that halves the size."""
    failed = failed_call(evidence)
    if failed is None or SAME not in failed.message:
        return
    yield Finding(
        kind="shape/padding_same_version",
        message='padding="same" keeps the height and width, and a stride above 1 does not',
        evidence="kernel_size // 2 is the padding that divides the size by the stride",
        cause=location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=("shape/same_padding_with_stride",),
        candidates=ranked((0, "", _padded(evidence, failed))),
        confidence=9,
    )


def _padded(evidence: Evidence, failed: FailedCall) -> Iterator[partial[Patch]]:
    source = evidence.source(failed.places[0].file)
    call = source.call_at(failed.places[0]) if source else None
    kernel = argument(call, "kernel_size", 2) if call else None
    if source is None or call is None or kernel is None:
        return
    number = failed.frames[0].value(kernel)
    text = (
        str(number // 2)
        if isinstance(number, int) and source.text_of(kernel).isdecimal()
        else (f"{source.text_of(kernel)} // 2")
    )
    yield partial(set_argument, source, call, "padding", 4, text)
