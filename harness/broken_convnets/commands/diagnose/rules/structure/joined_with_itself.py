"""Feature maps are concatenated with other feature maps before a convolution."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

JOINING = frozenset({"cat", "concat", "concatenate", "hstack"})
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
CHANNELS = 1
GROUPS = 6  # position among the arguments of a convolution
MAPS = 3  # dimensions of features with positions, at least


@rule(
    "a network concatenates different feature maps",
    stays_quiet="unless two maps are joined along their channels in front of a convolution, and "
    "are one and the same tensor, which layers computed, in every call at this place",
)
def joined_with_itself(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.cat([up, up], 1)` where a skip connection was meant."""
    require_success(evidence)
    found: dict[Place, list[Operator]] = {}
    for operator in evidence.record.operators:
        if operator.name in JOINING and len(operator.inputs) == 2 and operator.places:  # noqa: PLR2004  (two maps)
            found.setdefault(operator.places[0], []).append(operator)
    for place, calls in found.items():
        # The first frame of a sequence may be joined with itself, and the later ones are not.
        read = any(_is_convolved(evidence, one) for one in calls)
        if read and all(map(_repeats, calls)) and not _is_chosen(evidence, calls[0]):
            shape = list(calls[0].inputs[0].shape)
            yield Finding(
                kind="module",
                message=f"`{place.text}` concatenates a feature map with itself",
                evidence=f"both parts are one tensor of shape {shape}: the second half of the "
                "channels repeats the first, and the convolution after it computes what one half "
                "of its weights could",
                cause=location(calls[0].places),
                subject=place.text,
                confidence=6,
            )


def _repeats(operator: Operator) -> bool:
    """Return whether both parts are one feature map, joined along its channels."""
    one, other = operator.inputs
    dim = operator.literals.get(1, operator.literals.get("dim", 0))
    if operator.name == "hstack":
        dim = CHANNELS
    same = one is other and len(one.shape) >= MAPS and one.requires_grad
    return same and operator.owner is not None and dim in {CHANNELS, CHANNELS - len(one.shape)}


def _is_convolved(evidence: Evidence, operator: Operator) -> bool:
    """Return whether nothing but a convolution over all channels reads what was joined."""
    users = [one for value in operator.outputs for one in evidence.flow.consumers(value)]
    return bool(users) and all(
        one.name in CONVOLUTIONS and one.literals.get(GROUPS, one.literals.get("groups", 1)) == 1
        for one in users
    )


def _is_chosen(evidence: Evidence, operator: Operator) -> bool:
    """Return whether the two parts have different names, and an option decides about one."""
    site = site_of(evidence, operator.places)
    parts = site.call.args[0] if site and site.call.args else None
    if site is None or not isinstance(parts, ast.List | ast.Tuple):
        return True
    if len(set(map(site.source.text_of, parts.elts))) == 1:
        return False
    function = site.source.function_of(site.call)
    inside = ast.walk(function) if function else iter(())
    return any(isinstance(node, ast.If | ast.IfExp | ast.BoolOp) for node in inside)
