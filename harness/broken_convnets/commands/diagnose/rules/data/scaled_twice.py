"""Pixels are divided by 255 once.

https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.functional.to_tensor.html
scales 8-bit images to numbers from 0 to 1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.preprocessing import WHITE
from broken_convnets.commands.diagnose.rules.data.samples import Samples
from broken_convnets.commands.diagnose.sites import candidates, location, require_success
from broken_convnets.observe.traced_forward import trace_call

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.traced_forward import TracedOperator

DIVISIONS = frozenset({"div", "__truediv__", "true_divide", "div_", "__itruediv__"})
SAMPLES = 3  # that are read
PIXELS = 64  # at least
DARK = 0.1  # an image without any brighter pixel
LEVELS = 8  # different values, at least


@rule(
    "pixels that a dataset divides by 255 go up to 255",
    stays_quiet="about arrays, which are not tensors, dark images, and masks of few values",
)
def pixels_scaled_twice(evidence: Evidence) -> Iterator[Finding]:
    """Find a division by 255 of pixels that ToTensor has scaled to numbers from 0 to 1."""
    require_success(evidence)
    for loader in {one.dataset.base: one for one in evidence.record.loaders}.values():
        samples = Samples.of(evidence, loader)
        count = min(SAMPLES, loader.dataset.length or 0)
        found = [_division(samples, index) for index in range(count)] if samples else []
        places = {one.places for one in found if one is not None}
        if len(found) < SAMPLES or None in found or len(places) != 1 or found[0] is None:
            continue
        high = max(float(one.outputs[0].max()) for one in found if one is not None)
        yield Finding(
            kind="data/normalize_range",
            message=f"pixels from 0 to 1 are divided by {WHITE} once more",
            evidence=f"in {count} samples, {found[0].places[0].text} receives numbers up to "
            f"{high * WHITE:.3g}, and returns numbers up to {high:.2g}: almost nothing is left of "
            "the image",
            cause=location(found[0].places),
            subject=found[0].places[0].text,
            cases=("data/unscaled_pixels",),
            candidates=_undivided(evidence, found[0].places),
            confidence=7,
        )
        return


def _division(samples: Samples, index: int) -> TracedOperator | None:
    """Return the division by 255 of an image from 0 to 1 while a sample is read."""
    operators, _ = trace_call(lambda: samples.read(index, 0))
    for operator in operators:
        literals = operator.literals
        divides = operator.name in DIVISIONS and WHITE in {literals.get(1), literals.get("other")}
        if divides and operator.places and _is_scaled(operator.outputs[0] * WHITE):
            return operator
    return None


def _is_scaled(image: torch.Tensor) -> bool:
    """Return whether a tensor has the numbers of an image from 0 to 1."""
    if not image.is_floating_point() or image.numel() < PIXELS or image.ndim < 2:  # noqa: PLR2004  (height, width)
        return False
    low, high = float(image.min()), float(image.max())
    return low >= 0 and DARK < high <= 1 + 1e-6 and len(image.unique()) >= LEVELS


def _undivided(evidence: Evidence, places: tuple[Place, ...]) -> tuple[Candidate, ...]:
    """Return the change that leaves the division out."""
    source = evidence.source(places[0].file)
    node: ast.expr | None = source.expression_at(places[0]) if source else None
    left = getattr(node, "left", None)
    if source is None or node is None or left is None:
        return ()
    return candidates((0, partial(edits.replace, source, [(node, source.text_of(left))])))
