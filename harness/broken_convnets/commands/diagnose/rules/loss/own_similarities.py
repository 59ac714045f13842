"""A structural similarity that the program computes itself has the constants of its images.

SSIM has the constants (0.01 L)**2 and (0.03 L)**2, where L is the range of the pixels:
https://en.wikipedia.org/wiki/Structural_similarity_index_measure
"""

from __future__ import annotations

import ast
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.pair_answers import answer, number, pair_calls
from broken_convnets.commands.diagnose.rules.loss.pair_images import BYTE, image_range
from broken_convnets.commands.diagnose.sites import location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.pair_calls import PairCall

KIND = "loss/broadcast_metric"
ALIKE, UNLIKE = 0.95, 0.5
CLOSE = 1e-2


@rule(
    "an SSIM that the program computes tells two images of noise apart",
    stays_quiet="unless a function is called ssim, returns 1 for equal images, nearly 1 for two "
    "images of noise from 0 to 1, and less than a half for the same noise from 0 to 255",
)
def similarity_of_other_range(evidence: Evidence) -> Iterator[Finding]:
    """Find an SSIM whose constants are those of bytes, for images from 0 to 1."""
    require_success(evidence)
    for call, source, syntax in pair_calls(evidence):
        if "ssim" not in call.code.co_name.lower() or image_range(call) != 1:
            continue
        numbers = numbers_from_child(partial(_noises, call))
        if not numbers or not all(map(isfinite, numbers)):
            continue
        equal, noise, larger = numbers
        if abs(equal - 1) > CLOSE or noise < ALIKE or larger > UNLIKE:
            continue
        written = [
            node
            for node in ast.walk(syntax)
            if isinstance(node, ast.Constant) and node.value in {255, 6.5025, 58.5225}
        ]
        yield Finding(
            kind=KIND,
            message=f"{syntax.name}() has the constants of images from 0 to 255, and receives "
            "images from 0 to 1",
            evidence=f"for two images of independent noise from 0 to 1 it returns {noise:.3g}, "
            f"nearly as for equal ones, and {larger:.3g} for the same noise from 0 to 255",
            cause=location_in(source, written[0] if written else syntax),
            subject=syntax.name,
            confidence=7,
        )


def _noises(call: PairCall) -> list[float]:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(t.shape, generator=generator).to(t.dtype) for t in call.pair)
    pairs = [(one, one), (one, other), (BYTE * one, BYTE * other)]
    return [number(answer(call, *pair)) for pair in pairs]
