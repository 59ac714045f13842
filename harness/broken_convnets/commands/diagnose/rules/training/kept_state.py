"""A state_dict that is kept for later is a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import Site, candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate


@rule(
    "a state_dict that is loaded holds the values of when it was read",
    stays_quiet="if no optimizer steps between state_dict() and load_state_dict()",
)
def state_kept_by_reference(evidence: Evidence) -> Iterator[Finding]:
    """Find best weights that went on to train, because state_dict() does not copy."""
    for load in evidence.record.state_loads:
        steps = load.moment.optimizer_steps - load.read_at.optimizer_steps
        site = site_of(evidence, load.read)
        if steps < 1 or site is None:
            continue
        yield Finding(
            rule="state_kept_by_reference",
            kind="training/not_learning",
            message="state_dict() returns the parameters themselves, which go on to change: "
            "copy it",
            evidence="load_state_dict() changes nothing: its tensors are those of the network, "
            f"and {steps} optimizer steps have changed them since state_dict()",
            cause=location(load.read),
            symptom=location(load.places),
            subject=site.source.text_of(site.call),
            candidates=_copied(site),
            confidence=9,
        )
        return


def _copied(site: Site) -> tuple[Candidate, ...]:
    text = site.source.text_of(site.call)
    copy = f"{{name: value.clone() for name, value in {text}.items()}}"
    return candidates((0, lambda: edits.replace(site.source, [(site.call, copy)])))
