"""Feature maps are concatenated with other feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

JOINING = frozenset({"cat", "concat", "concatenate", "hstack"})
CHANNELS = 1
MAPS = 3  # dimensions of features with positions, at least


@rule(
    "a network concatenates different feature maps",
    stays_quiet="unless two maps are joined along their channels and are one and the same tensor, "
    "which layers computed",
)
def joined_with_itself(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.cat([up, up], 1)` where a skip connection was meant."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in JOINING or len(operator.inputs) != 2 or not operator.places:  # noqa: PLR2004  (two maps)
            continue
        one, other = operator.inputs
        dim = operator.literals.get(1, operator.literals.get("dim", 0))
        same = one is other and len(one.shape) >= MAPS and one.requires_grad
        if not same or dim not in {CHANNELS, CHANNELS - len(one.shape)}:
            continue
        if operator.places[0] not in seen and operator.owner is not None:
            seen.add(operator.places[0])
            text = operator.places[0].text
            yield Finding(
                rule="joined_with_itself",
                kind="module",
                message=f"`{text}` concatenates a feature map with itself",
                evidence=f"both parts are one tensor of shape {list(one.shape)}: the second half "
                "of the channels repeats the first",
                cause=location(operator.places),
                subject=text,
                confidence=6,
            )
