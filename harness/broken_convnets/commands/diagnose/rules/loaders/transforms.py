"""Transforms run in an order in which each receives what it accepts."""

from __future__ import annotations

import ast
import traceback
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]
CONVERTERS = {"ToTensor", "PILToTensor", "ToImage", "ToDtype", "ConvertImageDtype", "ToPILImage"}
IMAGE = (3, 4)  # dimensions of an image, and of a batch
TO_FLOAT = ("ToTensor", "ToDtype", "ConvertImageDtype", "ConvertDtype")


@dataclass(frozen=True)
class Chain:
    """A Compose that failed: its transforms, the one that failed, and what that received."""

    names: list[str]  # types of the transforms
    position: int
    received: object
    transform: object = None  # the one that failed

    @property
    def failing(self) -> str:
        """The type of the transform that failed."""
        return self.names[self.position]


def failed_chain(evidence: Evidence) -> Chain | None:
    """Return the Compose whose transform raised, from the frames of torchvision."""
    error = evidence.error
    for frame, _ in traceback.walk_tb(error.__traceback__ if error else None):
        owner = frame.f_locals.get("self")
        transforms = getattr(owner, "transforms", None)
        if type(owner).__name__ != "Compose" or not isinstance(transforms, list | tuple):
            continue
        current = frame.f_locals.get("t") or frame.f_locals.get("transform")
        received = frame.f_locals.get("img", frame.f_locals.get("inputs"))
        for position, one in enumerate(transforms):
            if one is current:
                value = received[0] if isinstance(received, tuple) and received else received
                return Chain([type(t).__name__ for t in transforms], position, value, one)
    return None


def unequal_channels(chain: Chain) -> tuple[int, int] | None:
    """Return the numbers of means of a Normalize and of channels of its image, if they differ."""
    image, means = chain.received, getattr(chain.transform, "mean", None)
    if chain.failing != "Normalize" or not isinstance(means, list | tuple):
        return None
    if not isinstance(image, torch.Tensor) or image.ndim not in IMAGE:
        return None
    differ = len(means) not in {1, image.shape[-3]}
    return (len(means), image.shape[-3]) if differ and image.is_floating_point() else None


@rule(
    "each transform receives what it accepts",
    stays_quiet="about transforms that are not in a Compose of torchvision",
)
def transform_order(evidence: Evidence) -> Iterator[Finding]:
    """Find Normalize before the conversion to a float tensor, and a second conversion."""
    frame = require_failure(evidence, TypeError, ValueError, RuntimeError)
    chain = failed_chain(evidence)
    if chain is None or unequal_channels(chain):
        return
    received = _described(chain.received)
    found = listed_transforms(evidence, chain)
    twice = isinstance(chain.received, torch.Tensor) and chain.failing in CONVERTERS
    earlier = _earlier_conversion(evidence) if twice else None
    if earlier is not None:
        cause = Location(earlier[0].path, earlier[1].lineno)
    elif found is not None:
        cause = Location(found[0].path, found[1].elts[chain.position].lineno)
    else:
        cause = frame_location(frame)
    order = " -> ".join(chain.names)
    yield Finding(
        kind="data/transform_order",
        message=f"{chain.failing} receives {received}, which it does not accept",
        evidence=f"the transforms run in this order: {order}"
        + ("; the image was converted to a tensor before" if twice else ""),
        cause=cause,
        symptom=frame_location(frame),
        subject=chain.failing,
        cases=("data/totensor_twice" if twice else "data/normalize_before_totensor",),
        candidates=candidates(*_reordered(chain, found, earlier)),
        confidence=10,
    )


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor"
    return f"a {type(value).__module__.partition('.')[0]} {type(value).__name__}"


def listed_transforms(evidence: Evidence, chain: Chain) -> tuple[Source, ast.List] | None:
    """Return the list in the call of Compose that has as many transforms."""
    for source in evidence.user_sources:
        for node in source.expressions:
            if not isinstance(node, ast.Call) or called_name(node) != "Compose" or not node.args:
                continue
            listed = node.args[0]
            if isinstance(listed, ast.List) and len(listed.elts) == len(chain.names):
                return source, listed
    return None


def _earlier_conversion(evidence: Evidence) -> tuple[Source, ast.Call] | None:
    """Return the call that converted the image before the Compose received it."""
    frame = evidence.frames[0]
    argument = frame.call.args[0] if frame.call and frame.call.args else None
    if argument is None:
        return None
    origin = origin_of(evidence, 0, argument)
    call = origin.node
    if not isinstance(call, ast.Call) or not call.args:
        return None
    made = call.func.func if isinstance(call.func, ast.Call) else call.func
    name = str(getattr(made, "attr", None) or getattr(made, "id", ""))
    return (origin.source, call) if name in CONVERTERS or "to_tensor" in name else None


def _reordered(
    chain: Chain, found: tuple[Source, ast.List] | None, earlier: tuple[Source, ast.Call] | None
) -> Iterator[Attempt]:
    """Yield the changes: no first conversion, another order, no second conversion, one more."""
    if earlier is not None:
        source, call = earlier
        yield 0, partial(edits.replace, source, [(call, source.text_of(call.args[0]))])
    if found is None:
        return
    source, listed = found
    texts = [source.text_of(element) for element in listed.elts]
    later = [
        n for n in range(chain.position + 1, len(texts)) if chain.names[n].startswith(TO_FLOAT)
    ]
    if later:
        moved = [t for n, t in enumerate(texts) if n != chain.position]
        moved.insert(later[0], texts[chain.position])
        yield 0, partial(_listed, source, listed, moved)
    elif chain.failing in CONVERTERS:
        rest = [t for n, t in enumerate(texts) if n != chain.position]
        yield 1, partial(_listed, source, listed, rest)
    elif not isinstance(chain.received, torch.Tensor):
        prefix = texts[chain.position].rpartition("(")[0].rpartition(".")[0]
        name = f"{prefix}.ToTensor()" if prefix and "(" not in prefix else "ToTensor()"
        more = [*texts[: chain.position], name, *texts[chain.position :]]
        yield 0, partial(_listed, source, listed, more)


def _listed(source: Source, listed: ast.List, texts: list[str]) -> Patch:
    return edits.replace(source, [(listed, f"[{shortened(', '.join(texts), 10_000)}]")])
