"""The frames of a clip become a dimension of their own beside the batch, not after the channels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import applied_to
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator

RESHAPES = frozenset({"view", "reshape"})


@rule(
    "a batch of frames is split into clips and frames, [N * T, C] to [N, T, C]",
    stays_quiet="about one frame or one channel for each clip, as many frames as channels, and "
    "tensors that no layer has computed",
)
def frames_mixed_with_channels(evidence: Evidence) -> Iterator[Finding]:
    """Find `x.view(n, c, t, h, w)` of frames of shape [n * t, c, h, w]."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in RESHAPES or not operator.places or operator.places[0] in seen:
            continue
        if not _moves_frames(operator) or not operator.inputs[0].requires_grad:
            continue
        seen.add(operator.places[0])
        before, after = list(operator.inputs[0].shape), list(operator.outputs[0].shape)
        text = operator.places[0].text
        yield Finding(
            kind="data/reshape_instead_of_permute",
            message=f"{operator.name} mixes the frames of a clip with its channels",
            evidence=f"{text} turns {before} into {after}, and keeps the order of the numbers in "
            f"memory, where the {before[1]} channels of a frame come before the next frame: split "
            f"into {[after[0], after[2], *before[1:]]} first, and exchange dimensions 1 and 2 then",
            cause=location(operator.places),
            subject=text,
            cases=("data/reshape_instead_of_permute",),
            candidates=_split(evidence, operator),
            confidence=8,
        )


def _moves_frames(operator: Operator) -> bool:
    """Return whether a reshape splits the first dimension, and puts a part after the channels."""
    if not operator.inputs or not operator.outputs:
        return False
    before, after = operator.inputs[0].shape, operator.outputs[0].shape
    if len(before) < 2 or len(after) != len(before) + 1:  # noqa: PLR2004  (frames and channels)
        return False
    clips, channels, frames, *rest = after
    fits = before == (clips * frames, channels, *rest)
    return fits and min(clips, channels, frames) > 1 and channels != frames


def _split(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    """Return the change that splits the batch, and moves the channels before the frames."""
    site = site_of(evidence, operator.places)
    inner = applied_to(site.call, operator.name) if site else None
    sizes = [one for one in site.call.args if one is not inner] if site else []
    if site is None or inner is None or len(sizes) != len(operator.outputs[0].shape):
        return ()
    owner = site.source.owner_text(inner)
    clips, channels, frames, *rest = map(site.source.text_of, sizes)
    shape = ", ".join([clips, frames, channels, *rest])
    text = f"{owner}.reshape({shape}).transpose(1, 2)"
    return candidates((0, partial(edits.replace, site.source, [(site.call, text)])))
