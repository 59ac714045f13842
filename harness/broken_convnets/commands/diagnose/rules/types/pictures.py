"""A network receives a batch of tensors, not a picture of PIL."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.imports import replaced_with_import
from broken_convnets.commands.diagnose.findings import Candidate, Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loaders.converters import to_tensor_calls
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence

IMPORT = "from torchvision.transforms.functional import to_tensor"


@rule(
    "a network receives a batch of tensors, not a picture of PIL",
    stays_quiet="about pictures in a DataLoader, which another rule is about",
)
def picture_in_network(evidence: Evidence) -> Iterator[Finding]:
    """Find `net(Image.open(path))`."""
    frame = require_failure(evidence, TypeError, AttributeError)
    found = _passed(evidence)
    if found is None:
        return
    caller, node, picture = found
    text = shortened(caller.source.text_of(node))
    size = getattr(picture, "size", "")
    yield Finding(
        kind="data/pil_not_tensor",
        message=f"`{text}` is a picture of PIL, and the network needs a batch of tensors",
        evidence=f"it is {type(picture).__name__} {getattr(picture, 'mode', '')} {size}: convert "
        "it with to_tensor(), and add the batch dimension",
        cause=frame_location(caller),
        symptom=frame_location(frame),
        subject=text,
        cases=("data/pil_images_in_dataloader",),
        candidates=_converted(caller, node),
        confidence=10,
    )


def _passed(evidence: Evidence) -> tuple[UserFrame, ast.expr, object] | None:
    """Return the outermost call of a network that passes a picture; None if there is none."""
    for frame in reversed(evidence.frames):
        call = frame.call
        called = frame.value(call.func) if call else None
        made = call is not None and isinstance(call.func, ast.Call)
        if call is None or not (isinstance(called, nn.Module) or made):
            continue
        for node in call.args:
            picture = frame.value(node)
            if any(one.__module__.startswith("PIL.") for one in type(picture).__mro__):
                return frame, node, picture
    return None


def _converted(frame: UserFrame, node: ast.expr) -> tuple[Candidate, ...]:
    """Return the changes that convert the picture, with a new import if there is no converter."""
    source, text = frame.source, frame.source.text_of(node)
    calls = list(to_tensor_calls(frame.scope.world, text))
    if "to_tensor" in frame.scope.world:
        calls.insert(0, f"to_tensor({text})")
    if not calls:
        return candidates(
            (0, partial(replaced_with_import, source, node, f"to_tensor({text})[None]", IMPORT))
        )
    return candidates(
        *(
            (rank, partial(edits.replace, source, [(node, f"{call}[None]")]))
            for rank, call in enumerate(calls)
        )
    )
